"""Which checkpoints a run keeps, and when they are written.

Lightning saves at the end of an epoch before that epoch is over: the learning-rate scheduler that watches a figure has
not acted yet, the epoch's figures are not in the logs, and a resume runs the epoch's last hooks once more. Within an
epoch it saves before the validation that the batch is due, which a resume then leaves out. Here a checkpoint of whole
epochs is written when the next one begins, or training ends, and one within an epoch between two batches; each holds
the latest figures and is marked as what it is, so that a resume simply goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    GradientAccumulationScheduler,
    ModelCheckpoint,
    Timer,
)
from pytorch_lightning.trainer.states import TrainerFn

from digits.errors import UserError
from digits.models import explained
from digits.training.epoch_loop import forget_restart
from digits.training.resume_state import check_entries

_PLACE = "digits_place"


class EpochCheckpoint(ModelCheckpoint):
    """A ModelCheckpoint that saves where nothing is half done.

    One with a ``monitor`` looks at every validation, within epochs too.
    """

    _is_due = False

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the run's folder lies now; where it was moved, Lightning would forget the best score."""
        # The files lie in the run's folder, whatever is saved: Lightning removes the former best by its saved path,
        # and would remove the folder that a stranger's checkpoint names.
        moved: dict[str, Any] = {"dirpath": self.dirpath}
        for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
            moved[key] = self._here(state_dict[key])
        scores = {self._here(path): score for path, score in state_dict["best_k_models"].items()}
        if moved["kth_best_model_path"] not in ("", *scores) or not all(map(_is_score, scores.values())):
            raise UserError(
                "its record of the best checkpoints is broken; start anew from the weights with --init_from"
            )
        moved["best_k_models"] = scores
        super().load_state_dict({**state_dict, **moved})

    def _here(self, path: str) -> str:
        return str(Path(str(self.dirpath), Path(path).name)) if path else ""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Nothing: the batch is not over yet."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._is_due = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: the epoch is not over yet."""

    def on_between_batches(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.save_if_due(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.save_if_due(trainer)

    def save_if_due(self, trainer: Trainer) -> None:
        """Save what was earned since the last time."""
        if self._is_due and (self.monitor is None or self.monitor in trainer.callback_metrics):
            self._is_due = False
            save_logs(trainer)
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))


def save_logs(trainer: Trainer) -> None:
    """Bring to disk what a checkpoint will count as logged."""
    for logger in trainer.loggers:
        logger.save()


class SaveLastEpoch(Callback):
    """Has the last epoch saved when training ends, before any other callback acts on that.

    Stands first among the callbacks: EMAWeightAveraging then puts the average in place of the trained weights, and a
    checkpoint of that could not be trained on exactly.
    """

    def __init__(self, checkpoints: list[EpochCheckpoint]) -> None:
        self._checkpoints = checkpoints

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for checkpoint in self._checkpoints:
            checkpoint.save_if_due(trainer)


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

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        for other in trainer.checkpoint_callbacks:
            if isinstance(other, ModelCheckpoint) and not isinstance(other, EpochCheckpoint):
                names = {other.filename, "last" if other.save_last else None}
                if other.dirpath == self.dirpath and names & {"best", "last"}:
                    raise UserError(
                        f"a ModelCheckpoint of trainer.callbacks would overwrite {names & {'best', 'last'}} in "
                        f"{self.dirpath}, which fit keeps itself; leave out save_last, or give another dirpath"
                    )

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._is_due = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: a validation is no reason to save."""

    def on_between_batches(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._every_n_steps and trainer.global_step % self._every_n_steps == 0 and is_resumable_here(trainer):
            self.save_now(trainer)

    def save_now(self, trainer: Trainer) -> None:
        """Save between two batches of an epoch; ``is_resumable_here`` must hold."""
        save_logs(trainer)
        trainer.save_checkpoint(self.path, weights_only=False)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        loops = checkpoint["loops"]["fit_loop"]
        is_between_epochs = _is_between_epochs(trainer)
        if is_between_epochs:
            progress = loops["epoch_progress"]
            for counts in (progress["total"], progress["current"]):
                counts["ready"] = counts["started"] = counts["completed"]
            loops["state_dict"].pop("combined_loader", None)  # whose place is in the epoch that is over
        checkpoint[_PLACE] = {
            "between_epochs": is_between_epochs,
            "is_resumable": is_between_epochs or is_resumable_here(trainer),
            "has_new_validation": trainer.fit_loop.epoch_loop.val_loop._has_run,
            "stopped_early": bool(trainer.should_stop),
            "limits": _limits(trainer),
            "figures": {name: value.detach().cpu() for name, value in trainer.callback_metrics.items()},
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._resumed_place = checkpoint.get(_PLACE)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        place, self._resumed_place = self._resumed_place, None
        if place is None:
            return
        figures = place.get("figures", {})
        trainer._logger_connector._callback_metrics |= {
            name: value.to(pl_module.device) for name, value in figures.items()
        }
        trainer.fit_loop.epoch_loop.val_loop._has_run = place.get("has_new_validation", False)
        if place["between_epochs"]:
            # Nothing is half done, so the loops have nothing to restart; they would take the last batch for unfinished.
            forget_restart(trainer)
        else:
            for callback in trainer.callbacks:  # an epoch that is resumed midway is not announced again
                if isinstance(callback, GradientAccumulationScheduler):
                    callback.on_train_epoch_start(trainer)
        if place["stopped_early"] and place.get("limits") == _limits(trainer):
            trainer.should_stop = True


def refuse_inexact_resume(path: Path, checkpoint: dict[str, Any]) -> None:
    """Raise UserError for a checkpoint from which training could not go on as if it had not been interrupted."""
    with explained(path):
        check_entries(checkpoint)
        _check_place(checkpoint.get(_PLACE))
    if not (checkpoint.get(_PLACE) or {}).get("is_resumable", True):
        raise UserError(
            f"{path} was saved in the middle of a step, from where a run does not resume exactly; resume from the "
            "run's last.ckpt, or start anew from these weights with --init_from"
        )


def _is_score(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.numel() == 1


def _check_place(place: object) -> None:
    if place is None:
        return
    figures = place.get("figures", {}) if isinstance(place, dict) else None
    if (
        not isinstance(place, dict)
        or not isinstance(figures, dict)
        or not all(isinstance(place.get(key), bool) for key in ("between_epochs", "is_resumable", "stopped_early"))
        or not all(map(_is_score, figures.values()))
    ):
        raise UserError(f"its {_PLACE} is not what `fit` saves there; start anew from its weights with --init_from")


def first_new_step(checkpoint: dict[str, Any]) -> int:
    """The first step that a run resumed from ``checkpoint`` logs; what its logs hold from there on will come again.

    Where a validation amid gathered gradients ended the run, its figures stand at the step that will not be taken.
    """
    return int(checkpoint["global_step"]) + bool((checkpoint.get(_PLACE) or {}).get("stopped_early"))


def is_resumable_here(trainer: Trainer) -> bool:
    """Whether a checkpoint would hold all there is: the batch is over and no gradients are half gathered."""
    loop = trainer.fit_loop.epoch_loop
    return loop.is_between_batches and not loop._should_accumulate()


def _is_between_epochs(trainer: Trainer) -> bool:
    """Whether the epochs begun are over; the one that is about to begin may have been announced."""
    progress = trainer.fit_loop.epoch_progress.current
    return progress.started == progress.processed == progress.completed


def _limits(trainer: Trainer) -> list[Any]:
    """What ends training early; where it was changed, a run that was ended by it goes on."""
    limits: list[Any] = [trainer.max_epochs, trainer.max_steps]
    for callback in trainer.callbacks:
        if isinstance(callback, EarlyStopping):
            limits += [callback.monitor, callback.patience, callback.min_delta, callback.stopping_threshold]
            limits += [callback.divergence_threshold]
        elif isinstance(callback, Timer):
            limits.append(callback._duration)
    return limits
