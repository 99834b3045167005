"""Stopping a training whose numbers are no longer numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from digits.errors import UserError


class StopOnDivergence(Callback):
    """Ends a run whose loss or weights are not finite, with UserError, before that gets into any checkpoint.

    On one CPU each loss is looked at; elsewhere, where that would have the device wait, those of the steps that are
    logged. So is each validation's loss, and the weights are before they are saved. ``stopped.txt`` in the run's folder
    says what happened, until a resume.

    Args:
        run: The folder of the run; null for one that keeps nothing.

    """

    def __init__(self, run: Path | None) -> None:
        self._note = None if run is None else run / "stopped.txt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._note is not None and trainer.is_global_zero:
            self._note.unlink(missing_ok=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs.get("loss") if isinstance(outputs, dict) else None
        if loss is None:
            return
        interval = trainer.log_every_n_steps
        is_cheap = trainer.world_size == 1 and loss.device.type == "cpu"
        if is_cheap or (interval > 0 and trainer.global_step % interval == 0):
            self._check(trainer, loss, "the loss")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loss = trainer.callback_metrics.get("val/loss")
        if loss is not None and trainer.state.fn == TrainerFn.FITTING:
            self._check(trainer, loss, "the validation loss")

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        weights = [value for value in checkpoint["state_dict"].values() if value.is_floating_point()]
        weights += list(pl_module.parameters())
        finite = torch.stack([value.isfinite().all().to(pl_module.device) for value in weights]).all()
        self._check(trainer, torch.where(finite, 0.0, torch.nan), "a weight")

    def _check(self, trainer: Trainer, value: Tensor, name: str) -> None:
        is_wrong = not math.isfinite(value.item())
        if not trainer.strategy.reduce_boolean_decision(is_wrong, all=False):
            return
        reason = f"{name} is {value.item():g} in" if is_wrong else "the loss of another process is not finite in"
        told = (
            f"the training has diverged: {reason} epoch {trainer.current_epoch}, after {trainer.global_step} steps. "
            "Try a lower learning rate (model.optimizer.lr, or max_lr of the schedule)"
        )
        last = None if self._note is None else self._note.with_name("checkpoints") / "last.ckpt"
        if last is not None and last.exists():
            told += f"; to go on from before: python -m digits fit --ckpt_path {last} with that"
        if self._note is not None and trainer.is_global_zero:
            self._note.write_text(told + "\n")
        raise UserError(told)
