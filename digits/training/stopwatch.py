"""How long a run has trained, and how long validated."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class Stopwatch(Callback):
    """Measures a fit over all its resumes, and how much of that went into validations.

    Not Lightning's Timer, which knows the time of the latest validation only; nor a subclass of it, in whose presence
    Lightning ignores ``max_time``. Stands behind the callbacks that act on a validation, so that their time counts as
    validation's.
    """

    def __init__(self) -> None:
        self._before = 0.0
        self._validated = 0.0
        self._start: float | None = None
        self._end: float | None = None
        self._since = 0.0

    @property
    def seconds(self) -> float:
        """Of the whole fit, before and after a resume."""
        if self._start is None:
            return self._before
        return self._before + (self._end or time.monotonic()) - self._start

    @property
    def training_seconds(self) -> float:
        """Of the fit without its validations."""
        return self.seconds - self._validated

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = time.monotonic()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end = time.monotonic()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._since = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:  # which comes before the fit's time begins
            self._validated += time.monotonic() - self._since

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "validated": self._validated}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = state_dict["seconds"] if "seconds" in state_dict else state_dict["time_elapsed"]["train"]
        self._validated = state_dict["validated"]
