"""The state of a training in a checkpoint: looked at before it is taken up.

Files are data. Lightning and torch take whatever stands in a checkpoint, and fail at some later step, or go on counting
from what is no count. Here a state must be built like that of the trainer which takes it up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningDataModule
from pytorch_lightning.trainer.connectors.checkpoint_connector import _CheckpointConnector
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, optim

from digits.errors import UserError
from digits.models import DigitClassifier, explained

_LARGEST = 2**53
_ENTRIES: dict[str, type] = {
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "pytorch-lightning_version": str,
}
_ELEMENTWISE = (optim.Adam, optim.NAdam, optim.RAdam, optim.Adamax, optim.SGD, optim.RMSprop)
_FROM_ODD_VALUES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def check_entries(checkpoint: dict[str, Any]) -> None:
    """Raise UserError unless a checkpoint has all that a training goes on from, each of its kind."""
    for name, kind in _ENTRIES.items():
        if not isinstance(checkpoint.get(name), kind):
            raise _refusal(name)
    for name in ("epoch", "global_step"):
        if not _is_count(checkpoint.get(name)):
            raise _refusal(name)


class CheckpointConnector(_CheckpointConnector):
    """Lightning's, which restores a training, but with a look at each part before that part is restored."""

    def _restore_modules_and_callbacks(self, checkpoint_path: Any = None, weights_only: bool | None = None) -> None:
        with _refusing(checkpoint_path):
            super()._restore_modules_and_callbacks(checkpoint_path, weights_only)

    def restore_model(self) -> None:
        model = self.trainer.lightning_module
        saved = self._loaded_checkpoint.get("training_progress")
        if isinstance(model, DigitClassifier) and saved is not None:
            own = {name: sums[:1] for name, sums in model.training_progress.totals().items()}
            _check_alike("training_progress", _of_first_process(saved), own)
        super().restore_model()

    def restore_datamodule(self) -> None:
        data = self.trainer.datamodule
        if isinstance(data, LightningDataModule):
            self._check(type(data).__qualname__, data.state_dict())
        super().restore_datamodule()

    def restore_callbacks(self) -> None:
        if self._loaded_checkpoint:
            self._check("callbacks", {callback.state_key: callback.state_dict() for callback in self.trainer.callbacks})
        super().restore_callbacks()

    def restore_training_state(self) -> None:
        with _refusing(self._ckpt_path):
            if self._loaded_checkpoint and self.trainer.state.fn == TrainerFn.FITTING:
                check_entries(self._loaded_checkpoint)
                loops = self.trainer.fit_loop.state_dict()
                _check_counts("loops", self._loaded_checkpoint["loops"].get("fit_loop"), loops)
                self._check("optimizer_states", [optimizer.state_dict() for optimizer in self.trainer.optimizers])
                self._check_moments()
                self._check_schedules()
            super().restore_training_state()

    def _check_moments(self) -> None:
        """What an optimizer has gathered of each parameter: numbers, or tensors of its size, in torch's usual ones."""
        for saved, optimizer in zip(self._loaded_checkpoint["optimizer_states"], self.trainer.optimizers, strict=False):
            if not isinstance(optimizer, _ELEMENTWISE):
                continue
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            for number, gathered in saved["state"].items():
                for name, value in gathered.items():
                    sizes = ((), parameters[number].shape)
                    if isinstance(value, Tensor) and value.shape in sizes:
                        continue
                    if value is not None and not _is_number(value):
                        raise _refusal(f"optimizer_states.{number}.{name}")

    def _check_schedules(self) -> None:
        schedulers = [config.scheduler for config in self.trainer.lr_scheduler_configs]
        self._check("lr_schedulers", [scheduler.state_dict() for scheduler in schedulers])
        for saved, scheduler in zip(self._loaded_checkpoint["lr_schedulers"], schedulers, strict=False):
            own = scheduler.state_dict()
            for key in saved:
                if key not in own and hasattr(scheduler, key):  # torch would put it in place of a method
                    raise _refusal(f"lr_schedulers.{key}")
            # A schedule that is changed is brought step by step to where the former one was.
            if (
                saved.get("last_epoch", 0)
                > self._loaded_checkpoint["global_step"] + self._loaded_checkpoint["epoch"] + 1
            ):
                raise _refusal("lr_schedulers.last_epoch")

    def _check(self, name: str, own: Any) -> None:
        if name in self._loaded_checkpoint:
            _check_alike(name, self._loaded_checkpoint[name], own)


def _of_first_process(saved: Any) -> Any:
    """Sums of each process, as many as there were, cut down to those of the first."""
    if not isinstance(saved, dict):
        return saved
    return {name: sums[:1] if isinstance(sums, Tensor) and sums.ndim == 1 else sums for name, sums in saved.items()}


@contextmanager
def _refusing(path: Any) -> Iterator[None]:
    """Tell in one line what is wrong with the checkpoint that is restored meanwhile."""
    if path is None:
        yield
        return
    with explained(Path(path)):
        try:
            yield
        except _FROM_ODD_VALUES as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
            raise UserError(
                f"its state of a training cannot be taken up ({reason}); start anew from its weights with --init_from"
            ) from error


def _check_counts(name: str, saved: Any, own: Any) -> None:
    """Raise UserError unless the state of a loop has every counter of ``own``; loaders may be at a place or not."""
    if not isinstance(saved, dict):
        raise _refusal(name)
    for key, value in own.items():
        if key == "combined_loader":
            continue
        if isinstance(value, dict):
            _check_counts(f"{name}.{key}", saved.get(key), value)
        elif not _is_count(saved.get(key)):
            raise _refusal(f"{name}.{key}")


def _check_alike(name: str, saved: Any, own: Any) -> None:
    """Raise UserError where something saved is of another kind than what stands there now; None may stand anywhere."""
    if saved is None or own is None:
        if name.count(".") == 0:
            raise _refusal(name)
        return
    if isinstance(own, dict):
        if not isinstance(saved, dict):
            raise _refusal(name)
        for key in own.keys() & saved.keys():
            _check_alike(f"{name}.{key}", saved[key], own[key])
    elif isinstance(own, list | tuple):
        if not isinstance(saved, list | tuple):
            raise _refusal(name)
        for place, (value, mine) in enumerate(zip(saved, own, strict=False)):
            _check_alike(f"{name}.{place}", value, mine)
    elif isinstance(own, str) != isinstance(saved, str) or _is_number(own) != _is_number(saved):
        raise _refusal(name)


def _is_number(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= _LARGEST)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= _LARGEST


def _refusal(name: str) -> UserError:
    return UserError(
        f"its state of a training is broken: {name[:100]} is missing or not what `fit` saves there; start anew from "
        "its weights with --init_from"
    )
