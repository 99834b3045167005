"""What fit gives the Trainer so that a run's folder fills: callbacks and loggers, beside those of the user."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ModelSummary
from pytorch_lightning.callbacks import ProgressBar as BaseProgressBar
from pytorch_lightning.loggers import Logger

from digits.training.checkpoints import LastCheckpoint, SaveLastEpoch, best_checkpoint
from digits.training.divergence import StopOnDivergence
from digits.training.interruption import StopOnSignal
from digits.training.monitors import RefuseUnknownMonitors
from digits.training.new_settings import TakeUpNewSettings
from digits.training.progress import ProgressBar
from digits.training.refusals import refuse_settings
from digits.training.reproducibility import SeedEachBatch
from digits.training.run import Run
from digits.training.stopwatch import Stopwatch
from digits.training.table import EpochTable
from digits.training.tensorboard import EvaluationPictures, RunCurves


def callbacks_of_trial(settings: Any) -> list[Callback]:
    """The callbacks of a ``fast_dev_run``, which keeps nothing; ``settings`` are those of the Trainer."""
    return [*_watchers(settings), StopOnDivergence(None)]


def callbacks_of_run(
    settings: Any, run: Run, checkpoint_every_n_steps: int | None, changed: list[str]
) -> list[Callback]:
    """The callbacks of a run, in the order that they need.

    Args:
        settings: Those of the Trainer.
        run: Where checkpoints are kept.
        checkpoint_every_n_steps: Save within epochs too; null for their ends only.
        changed: The settings that a resume changes.

    """
    best = best_checkpoint(run.checkpoints)
    last = LastCheckpoint(run.checkpoints, checkpoint_every_n_steps)
    callbacks = [SaveLastEpoch([best, last]), *_watchers(settings)]
    if changed:
        callbacks.append(TakeUpNewSettings(changed))
    return [*callbacks, StopOnDivergence(run.folder), best, last, StopOnSignal(last)]


def loggers_of_run(settings: Any, run: Run, resumed_step: int | None) -> list[Logger]:
    """TensorBoard's curves, the user's loggers, and last the table of epochs."""
    curves = [] if settings.logger is False else [RunCurves(run.folder, resumed_step)]
    users = [] if settings.logger in (None, True, False) else as_list(settings.logger)
    return [*curves, *users, EpochTable(run, resumed_step)]


def _watchers(settings: Any) -> list[Callback]:
    unwanted: list[type[Callback]] = [ModelSummary] if settings.enable_model_summary is False else []
    unwanted += [BaseProgressBar] if settings.enable_progress_bar is False else []
    wanted = [callback for callback in as_list(settings.callbacks) if not isinstance(callback, tuple(unwanted))]
    refuse_settings(settings, wanted)
    has_bar = settings.enable_progress_bar is False or any(isinstance(found, BaseProgressBar) for found in wanted)
    bar: list[Callback] = [] if has_bar else [ProgressBar()]
    has_table = settings.enable_model_summary is False or any(isinstance(found, ModelSummary) for found in wanted)
    # Where rich is installed, Lightning would choose its table, which goes to standard output.
    table: list[Callback] = [] if has_table else [ModelSummary()]
    return [*wanted, RefuseUnknownMonitors(), SeedEachBatch(), EvaluationPictures(), Stopwatch(), *bar, *table]


def as_list(value: Any) -> list[Any]:
    """Several, one or none, as the Trainer takes callbacks, loggers and plugins."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
