"""Which checkpoints a run keeps, and when they are written.

Lightning saves at the end of an epoch before that epoch is over: the learning-rate scheduler that watches a figure has
not acted yet, the epoch's figures are not in the logs, and a resume runs the epoch's last hooks once more. Here a
checkpoint of whole epochs is written when the next one begins, or training ends, and is marked as such, so that a
resume simply begins that epoch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

_PLACE = "digits_place"


class EpochCheckpoint(ModelCheckpoint):
    """A ModelCheckpoint whose epochs are over when it saves them."""

    _has_trained = False

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the run's folder lies now; where it was moved, Lightning would forget the best score."""
        former = state_dict["dirpath"]
        moved: dict[str, Any] = {
            key: value.replace(former, self.dirpath, 1) for key, value in state_dict.items() if isinstance(value, str)
        }
        moved["best_k_models"] = {
            path.replace(former, self.dirpath, 1): score for path, score in state_dict["best_k_models"].items()
        }
        super().load_state_dict({**state_dict, **moved})

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._has_trained = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Nothing: ModelCheckpoint would ask whether to save within the epoch."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: the epoch is not over yet."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.save_epoch(trainer, pl_module)

    def save_epoch(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what the epoch that has just ended earned, if anything was trained in it."""
        is_known = self.monitor is None or self.monitor in trainer.callback_metrics
        if self._has_trained and is_known:
            for logger in trainer.loggers:
                logger.save()  # what a checkpoint counts as logged is on disk before it
            super().on_train_epoch_end(trainer, pl_module)


class SaveLastEpoch(Callback):
    """Has the last epoch saved when training ends, before any other callback acts on that.

    Stands first among the callbacks: EMAWeightAveraging then puts the average in place of the trained weights, and a
    checkpoint of that could not be trained on exactly.
    """

    def __init__(self, checkpoints: list[EpochCheckpoint]) -> None:
        self._checkpoints = checkpoints

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for checkpoint in self._checkpoints:
            checkpoint.save_epoch(trainer, pl_module)


def best_checkpoint(folder: Path) -> EpochCheckpoint:
    """Keeps ``best.ckpt``: the weights of the highest validation accuracy so far, the earliest of equals."""
    return EpochCheckpoint(
        dirpath=folder,
        filename="best",
        monitor="val/accuracy",
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


class LastCheckpoint(EpochCheckpoint):
    """Keeps ``last.ckpt``, from which a run resumes exactly: at the end of every epoch and every so many steps.

    A callback of its own, because ModelCheckpoint's ``save_last`` writes only when a new best is saved. It stands
    last among the callbacks, so that the states of all others are in what it saves.

    Args:
        folder: Where the file lies.
        every_n_steps: Save within epochs too, after every so many optimizer steps; null for epochs only.

    """

    def __init__(self, folder: Path, every_n_steps: int | None = None) -> None:
        super().__init__(
            dirpath=folder,
            filename="last",
            monitor=None,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self.path = folder / "last.ckpt"
        self._every_n_steps = every_n_steps
        self._resumed_place: dict[str, Any] | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        if trainer.fit_loop.restarting:
            # The restart is done with; at the end of an epoch resumed midway Lightning would still hold back the
            # scheduler that watches a figure.
            trainer.fit_loop.restarting = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._every_n_steps and is_resumable_here(trainer) and trainer.global_step % self._every_n_steps == 0:
            self.save_now(trainer)

    def save_now(self, trainer: Trainer) -> None:
        """Save between two batches of an epoch; ``is_resumable_here`` must hold."""
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.path, weights_only=False)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]
        is_between_epochs = _is_between_epochs(trainer)
        if is_between_epochs:
            for counts in (progress["total"], progress["current"]):
                counts["ready"] = counts["started"] = counts["completed"]
        checkpoint[_PLACE] = {
            "between_epochs": is_between_epochs,
            "stopped_early": bool(trainer.should_stop),
            "max_epochs": trainer.max_epochs,
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._resumed_place = checkpoint.get(_PLACE)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        place, self._resumed_place = self._resumed_place, None
        if place is None:
            return
        if place["between_epochs"]:
            # Nothing is half done, so the loops have nothing to restart; they would take the last batch for unfinished.
            trainer.fit_loop.restarting = False
        if place["stopped_early"] and place["max_epochs"] == trainer.max_epochs:
            trainer.should_stop = True


def is_resumable_here(trainer: Trainer) -> bool:
    """Whether a checkpoint at this batch's end would hold all: no half-gathered gradients, no epoch to close."""
    loop = trainer.fit_loop.epoch_loop
    return not loop.batch_progress.is_last_batch and not loop._should_accumulate()


def _is_between_epochs(trainer: Trainer) -> bool:
    """Whether the epochs begun are over; the one that is about to begin may have been announced."""
    progress = trainer.fit_loop.epoch_progress.current
    return progress.started == progress.processed == progress.completed
