"""How long a run has trained, and how long validated."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Timer


class Stopwatch(Timer):
    """Lightning's Timer, which knows the time of the latest validation only, with the sum over all of them.

    Stands behind the callbacks that act on a validation, so that their time counts as validation's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._validated = 0.0
        self._since = 0.0

    @property
    def seconds(self) -> float:
        """Of the whole fit, before and after a resume."""
        return self.time_elapsed("train")

    @property
    def training_seconds(self) -> float:
        """Of the fit without its validations."""
        return self.seconds - self._validated

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_start(trainer, pl_module)
        self._since = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_end(trainer, pl_module)
        if trainer.state.fn == "fit" and not trainer.sanity_checking:  # which comes before the fit's time begins
            self._validated += time.monotonic() - self._since

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "validated": self._validated}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._validated = state_dict["validated"]
