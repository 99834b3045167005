"""Callbacks, loggers and files of a run."""

from digits.training.checkpoints import best_checkpoint, last_checkpoint
from digits.training.precision import default_precision
from digits.training.progress import ProgressBar
from digits.training.reproducibility import SeedEachBatch
from digits.training.results import context, evaluate, write_json, write_predictions, write_submission
from digits.training.runs import claim_run, find_checkpoint, read_checkpoint, run_of
from digits.training.table import EpochTable
from digits.training.tensorboard import EvaluationPictures, RunCurves, find_curves

__all__ = [
    "EpochTable",
    "EvaluationPictures",
    "ProgressBar",
    "RunCurves",
    "SeedEachBatch",
    "best_checkpoint",
    "claim_run",
    "context",
    "default_precision",
    "evaluate",
    "find_checkpoint",
    "find_curves",
    "last_checkpoint",
    "read_checkpoint",
    "run_of",
    "write_json",
    "write_predictions",
    "write_submission",
]
