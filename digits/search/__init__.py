"""Cross-validation and sweeps: many runs of one recipe, on one machine or many."""

from digits.search.crossval import RESULT, Fold, classification_table, conclude_folds, run_fold, run_folds
from digits.search.folders import find_or_claim
from digits.search.launcher import Launcher, NoRoomError, RunFailedError

__all__ = [
    "RESULT",
    "Fold",
    "Launcher",
    "NoRoomError",
    "RunFailedError",
    "classification_table",
    "conclude_folds",
    "find_or_claim",
    "run_fold",
    "run_folds",
]
