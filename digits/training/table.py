"""A run's metrics.csv: one row an epoch."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from digits.replacing import replacing
from digits.training.run import Run


class EpochTable(Logger):
    """Gathers what is logged in an epoch into one row of ``<run>/metrics.csv``.

    The file is written anew each time, at the end of an epoch and before a checkpoint is saved.

    Args:
        run: The run whose table it is.
        resumed_step: The optimizer step that the run resumes at; rows with figures from beyond it are dropped.

    """

    def __init__(self, run: Run, resumed_step: int | None = None) -> None:
        super().__init__()
        self._run = run
        self._resumed_step = resumed_step
        self._rows: dict[int, dict[str, str]] = {}

    @property
    def name(self) -> str:
        return self._run.folder.parent.name

    @property
    def version(self) -> str:
        return self._run.folder.name

    @property
    def save_dir(self) -> str:
        return str(self._run.folder)

    @property
    def path(self) -> Path:
        return self._run.curves_file

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Take note of the scalars that name their epoch; those of steps are TensorBoard's."""
        values = {name: repr(float(value)) for name, value in metrics.items()}
        if "epoch" not in values:
            return
        if not self._rows and self.path.is_file():
            with self.path.open(newline="") as file:
                rows = [row for row in csv.DictReader(file) if int(row["step"]) < (self._resumed_step or 0)]
            self._rows = {int(row["epoch"]): row for row in rows}
        epoch = int(float(values["epoch"]))
        self._rows = {known: row for known, row in self._rows.items() if known <= epoch}
        row = self._rows.setdefault(epoch, {})
        row |= values | {"epoch": str(epoch), "step": str(step)}
        if "train/loss" in values:
            self.save()

    @rank_zero_only
    def save(self) -> None:
        """Write what is known, of the epoch under way too."""
        if not self._rows:
            return
        columns = sorted({name for row in self._rows.values() for name in row} - {"epoch", "step"})
        with replacing(self.path) as file:
            writer = csv.DictWriter(file, ["epoch", "step", *columns])
            writer.writeheader()
            writer.writerows(self._rows.values())
