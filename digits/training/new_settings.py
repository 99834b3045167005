"""Settings that were changed for a resume, taken up where the checkpoint would bring back the former ones."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

_PLATEAU_PROGRESS = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch", "_last_lr")


class TakeUpNewSettings(Callback):
    """Gives a resumed optimizer and scheduler the arguments that the configuration now has.

    Their saved states hold the former arguments, so that without this ``--model.optimizer.lr`` would do nothing on a
    resume and more epochs would outrun a OneCycleLR. The optimizer keeps its moments; a schedule stands where it would
    stand had it been in force from the start, ReduceLROnPlateau keeps what it has seen. Early stopping keeps what it
    has counted, with the patience that is now set.

    Args:
        changed: The configuration's keys that differ from the checkpoint's.

    """

    def __init__(self, changed: list[str]) -> None:
        self._optimizer_changed = any(".optimizer" in key for key in changed)
        self._scheduler_changed = any(".lr_scheduler" in key for key in changed)
        self._patience: dict[EarlyStopping, int] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._patience = {stop: stop.patience for stop in trainer.early_stopping_callbacks}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for stop, patience in self._patience.items():
            stop.patience = patience
        fresh = pl_module.configure_optimizers()
        if isinstance(fresh, Optimizer):
            _take_arguments(trainer.optimizers[0], fresh)
            return
        scheduler = trainer.lr_scheduler_configs[0].scheduler
        new = fresh["lr_scheduler"]["scheduler"]
        if isinstance(new, ReduceLROnPlateau):
            if self._optimizer_changed:
                _take_arguments(trainer.optimizers[0], fresh["optimizer"])
            if self._scheduler_changed:
                arguments = {key: value for key, value in new.state_dict().items() if key not in _PLATEAU_PROGRESS}
                scheduler.load_state_dict({**scheduler.state_dict(), **arguments})
            return
        _fast_forward(new, fresh["optimizer"], scheduler.last_epoch)
        _take_arguments(trainer.optimizers[0], fresh["optimizer"])
        scheduler.load_state_dict(new.state_dict())


def _fast_forward(scheduler: LRScheduler, optimizer: Optimizer, position: int) -> None:
    optimizer.step()  # without gradients it does nothing, but a scheduler warns where it comes first
    for _ in range(position):
        scheduler.step()


def _take_arguments(optimizer: Optimizer, fresh: Optimizer) -> None:
    for group, new in zip(optimizer.param_groups, fresh.param_groups, strict=True):
        arguments: dict[str, Any] = {key: value for key, value in new.items() if key != "params"}
        group.update(arguments)
