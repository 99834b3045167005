"""Callbacks, loggers and files of a run."""

from digits.training.allocator import keep_freed_memory
from digits.training.checkpoint_io import AtomicCheckpointIO, refusal
from digits.training.checkpoints import LastCheckpoint, first_new_step, refuse_inexact_resume
from digits.training.conclusion import conclude, describe, flatten, why_stopped
from digits.training.divergence import StopOnDivergence
from digits.training.epoch_loop import Trainer
from digits.training.interruption import StopOnSignal
from digits.training.lock import InUseError, lock
from digits.training.new_settings import TakeUpNewSettings
from digits.training.parent import PARENT, StopWithParent
from digits.training.precision import default_precision
from digits.training.progress import ProgressBar
from digits.training.recorded_settings import check_settings, named_by, recorded_settings
from digits.training.refusals import in_one_line
from digits.training.reproducibility import SeedEachBatch
from digits.training.results import context, evaluate, keep_predictions, name_of, write_json, write_predictions
from digits.training.run import Run
from digits.training.run_config import RunConfig, plain
from digits.training.run_parts import as_list, callbacks_of_run, callbacks_of_trial, loggers_of_run
from digits.training.runs import find_checkpoint, open_checkpoint
from digits.training.stopwatch import Stopwatch
from digits.training.table import EpochTable
from digits.training.tensorboard import EvaluationPictures, RunCurves, find_curves

__all__ = [
    "PARENT",
    "AtomicCheckpointIO",
    "EpochTable",
    "EvaluationPictures",
    "InUseError",
    "LastCheckpoint",
    "ProgressBar",
    "Run",
    "RunConfig",
    "RunCurves",
    "SeedEachBatch",
    "StopOnDivergence",
    "StopOnSignal",
    "StopWithParent",
    "Stopwatch",
    "TakeUpNewSettings",
    "Trainer",
    "as_list",
    "callbacks_of_run",
    "callbacks_of_trial",
    "check_settings",
    "conclude",
    "context",
    "default_precision",
    "describe",
    "evaluate",
    "find_checkpoint",
    "find_curves",
    "first_new_step",
    "flatten",
    "in_one_line",
    "keep_freed_memory",
    "keep_predictions",
    "lock",
    "loggers_of_run",
    "name_of",
    "named_by",
    "open_checkpoint",
    "plain",
    "recorded_settings",
    "refusal",
    "refuse_inexact_resume",
    "why_stopped",
    "write_json",
    "write_predictions",
]
