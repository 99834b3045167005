"""Figures that callbacks and schedules wait for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from digits.errors import UserError, did_you_mean
from digits.models import DigitClassifier

_SCHEDULE = "the learning-rate schedule"
_THAT_LOG = ("training_step", "validation_step", "on_train_epoch_end", "on_validation_epoch_end")


class RefuseUnknownMonitors(Callback):
    """Raises UserError, before the first step, for a ``monitor`` that nobody logs.

    Lightning notices after the first epoch, and of an EarlyStopping without validations never, which here is warned
    of. What a model or a callback of the user's own logs is known only after the first epoch.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        known = _logged_names(trainer, pl_module)
        for who, monitor in _monitors(trainer):
            if monitor.startswith("val") and not trainer.enable_validation:
                if who == _SCHEDULE:
                    raise UserError(f"{who} watches {monitor}, and there is no validation; choose another")
                warnings.warn(f"{who} watches {monitor}; without validation it does nothing", stacklevel=2)
            if known is not None and monitor not in known:
                names = [name for name in known if "_of_" not in name]  # not of each class
                raise UserError(f"{who} watches {monitor!r}, which is not logged; {did_you_mean(monitor, names)}")


def _monitors(trainer: Trainer) -> Iterator[tuple[str, str]]:
    for callback in trainer.callbacks:
        # Of our own checkpoints the one of the best simply does nothing without its figure.
        if getattr(callback, "monitor", None) and not type(callback).__module__.startswith("digits."):
            yield type(callback).__name__, str(callback.monitor)
    for config in trainer.lr_scheduler_configs:
        if config.reduce_on_plateau:
            yield _SCHEDULE, str(config.monitor)


def _logged_names(trainer: Trainer, model: Any) -> list[str] | None:
    """The names of all figures of a training, or None where code of the user's own may log others."""
    homes = {type(callback).__module__.partition(".")[0] for callback in trainer.callbacks}
    is_ours = isinstance(model, DigitClassifier) and all(
        getattr(type(model), name) is getattr(DigitClassifier, name) for name in _THAT_LOG
    )
    return model.figure_names() if is_ours and homes <= {"digits", "pytorch_lightning"} else None
