"""Runs that another process started."""

from __future__ import annotations

import os
import signal
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

PARENT = "DIGITS_PARENT"
"""The variable that holds the number of the process that a run must not outlive."""


class StopWithParent(Callback):
    """Ends a run as SIGTERM would, everything saved, when the process that started it is gone.

    Cross-validation and sweeps start runs as processes of their own. One of them that was killed could not tell its
    runs, and a run that went on alone would meet its own repetition in the same folder.
    """

    def __init__(self) -> None:
        self._parent = int(os.environ.get(PARENT, "0"))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._parent and trainer.is_global_zero and os.getppid() != self._parent:
            self._parent = 0
            os.kill(os.getpid(), signal.SIGTERM)
