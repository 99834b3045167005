"""Stopping when told to, without losing a step."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from digits.errors import Interrupted
from digits.training.checkpoints import LastCheckpoint, is_resumable_here

_STATUS = {signal.SIGTERM: 143, signal.SIGUSR1: 143, signal.SIGINT: 130}


class StopOnSignal(Checkpoint):
    """On SIGTERM, SIGUSR1 or Ctrl-C: finishes the batch and its validation, saves ``last.ckpt`` and raises Interrupted.

    A second Ctrl-C quits at once. Lightning's own handling exits with status 0 after SIGTERM and may cut a step in two
    after Ctrl-C. Stands last among the callbacks (Lightning keeps Checkpoints there), so that all others have seen the
    batch. With several processes, a signal to any of them stops all after the same batch.
    """

    def __init__(self, last: LastCheckpoint) -> None:
        self._last = last
        self._received: int | None = None
        self._former: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._note) for number in _STATUS}

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._received == signal.SIGINT:
            os._exit(130)
        self._received = number

    def on_between_batches(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if is_resumable_here(trainer) and (received := self._agreed(trainer)):
            self._last.save_now(trainer)
            self._stop(trainer, received)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if received := self._agreed(trainer):  # LastCheckpoint has just saved the epoch
            self._stop(trainer, received)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if received := self._agreed(trainer):
            self._stop(trainer, received)

    def _agreed(self, trainer: Trainer) -> int:
        """The signal that any process has received, or 0; every process must ask."""
        received = self._received or 0
        if trainer.world_size == 1:
            return received
        number = torch.tensor(received, device=trainer.strategy.root_device)
        torch.distributed.all_reduce(number, torch.distributed.ReduceOp.MAX)
        return int(number)

    def _stop(self, trainer: Trainer, received: int) -> None:
        name = signal.Signals(received).name
        raise Interrupted(
            f"stopped by {name} after {trainer.global_step} steps; resume with\n"
            f"  python -m digits fit --ckpt_path {self._last.path}",
            _STATUS[signal.Signals(received)],
        )
