"""Callbacks, loggers and files of a run."""

from digits.training.allocator import keep_freed_memory
from digits.training.checkpoint_io import AtomicCheckpointIO, refusal
from digits.training.checkpoints import LastCheckpoint, SaveLastEpoch, best_checkpoint, refuse_inexact_resume
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
from digits.training.refusals import is_lightnings_complaint, refuse_idle_settings, refuse_inexact_settings
from digits.training.reproducibility import SeedEachBatch
from digits.training.results import context, evaluate, name_of, write_json, write_predictions, write_submission
from digits.training.run import Run
from digits.training.run_config import RunConfig, plain
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
    "SaveLastEpoch",
    "SeedEachBatch",
    "StopOnDivergence",
    "StopOnSignal",
    "StopWithParent",
    "Stopwatch",
    "TakeUpNewSettings",
    "Trainer",
    "best_checkpoint",
    "check_settings",
    "conclude",
    "context",
    "default_precision",
    "describe",
    "evaluate",
    "find_checkpoint",
    "find_curves",
    "flatten",
    "is_lightnings_complaint",
    "keep_freed_memory",
    "lock",
    "name_of",
    "named_by",
    "open_checkpoint",
    "plain",
    "recorded_settings",
    "refusal",
    "refuse_idle_settings",
    "refuse_inexact_resume",
    "refuse_inexact_settings",
    "why_stopped",
    "write_json",
    "write_predictions",
    "write_submission",
]
