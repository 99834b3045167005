"""Cross-validation and sweeps: many runs of one recipe, on one machine or many."""

from digits.search.crossval import Fold, classification_table, conclude_folds, find_or_claim, run_fold, run_folds
from digits.search.launcher import Launcher, RunFailedError

__all__ = [
    "Fold",
    "Launcher",
    "RunFailedError",
    "classification_table",
    "conclude_folds",
    "find_or_claim",
    "run_fold",
    "run_folds",
]
