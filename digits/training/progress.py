"""The progress bar."""

from __future__ import annotations

import sys
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import TQDMProgressBar


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, for a terminal only and refreshed seldom enough to cost a small network nothing.

    Args:
        refresh_rate: Batches between two refreshes.

    """

    def __init__(self, refresh_rate: int = 50) -> None:
        super().__init__(refresh_rate=refresh_rate)

    def setup(self, trainer: Trainer, pl_module: object, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if not sys.stdout.isatty():
            self.disable()

    def get_metrics(self, trainer: Trainer, pl_module: object) -> dict[str, Any]:
        """What stands behind the bar: losses and accuracies, without Lightning's number of the run."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        loss = getattr(pl_module, "latest_loss", None)
        return metrics if loss is None else {"loss": f"{loss:.3f}", **metrics}
