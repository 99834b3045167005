"""Lightning's training step without the calls that do nothing.

Around each batch Lightning calls about twenty hooks, each of every callback, of the model and of the strategy, inside
a profiler's context; with a small network on a CPU that takes longer than the network. Almost all of these are the
empty methods of the base classes. Here a step is what Lightning's own loop does, in the same order, with the same
counters, but only hooks that somebody wrote are called. Nothing that a callback, a logger or a checkpoint can see
differs.

Lightning's ``_TrainingEpochLoop`` and its parts are private: tests/training/test_epoch_loop.py compares the two on the
installed version.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule
from pytorch_lightning import Trainer as LightningTrainer
from pytorch_lightning.core.hooks import DataHooks
from pytorch_lightning.loops import _Loop
from pytorch_lightning.loops.fetchers import _DataFetcher, _DataLoaderIterDataFetcher
from pytorch_lightning.loops.optimization.automatic import ClosureResult
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.plugins import MixedPrecision, Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature
from torch import Tensor

from digits.errors import UserError, did_you_mean
from digits.training.precision import clip_without_scaler
from digits.training.resume_state import CheckpointConnector

Hook = Callable[..., Any]

_STEP_HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
# A model that has its own say in one of these gets Lightning's own loop.
_RARE_HOOKS = (
    "on_train_batch_start",  # may end the epoch
    "optimizer_step",
    "configure_gradient_clipping",
    "backward",
    "lr_scheduler_step",
)


class Trainer(LightningTrainer):
    """Lightning's Trainer with this loop in place of its own.

    Callbacks may have one more hook, ``on_between_batches(trainer, pl_module)``, called after each batch but an epoch's
    last: the validation that fell due is over, its figures are logged, schedules and early stopping have acted.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        clip_without_scaler(self)
        self._checkpoint_connector = CheckpointConnector(self)
        former = self.fit_loop.epoch_loop
        self.fit_loop.epoch_loop = EpochLoop(self, former.min_steps, former.max_steps)


class EpochLoop(_TrainingEpochLoop):
    """The short way on one device, without a profiler or gathered gradients; else Lightning's.

    Checkpoints to resume from are written between two batches or two epochs, so that nothing is half done in them.
    Lightning expects them from the middle of a batch: it would leave out the validation that the batch was due.
    """

    is_between_batches = False
    _step: _Step | None = None
    _observers: tuple[Hook, ...] = ()

    def run(self, data_fetcher: _DataFetcher) -> None:
        trainer = self.trainer
        self._step = _Step(trainer) if _is_plain(trainer, data_fetcher) else None
        self._observers = tuple(
            callback.on_between_batches for callback in trainer.callbacks if hasattr(callback, "on_between_batches")
        )
        super().run(data_fetcher)

    def on_run_start(self, data_fetcher: _DataFetcher) -> None:
        super().on_run_start(data_fetcher)
        forget_restart(self.trainer)

    def advance(self, data_fetcher: _DataFetcher) -> None:
        if self._step is None:
            super().advance(data_fetcher)
        else:
            self._step.take(self, data_fetcher)

    def on_advance_end(self, data_fetcher: _DataFetcher) -> None:
        super().on_advance_end(data_fetcher)
        if not self.done:
            self.is_between_batches = True
            for observe in self._observers:
                observe(self.trainer, self.trainer.lightning_module)
            self.is_between_batches = False

    def _watched(self) -> list[str]:
        """The figures that schedules wait for."""
        return [str(config.monitor) for config in self.trainer.lr_scheduler_configs if config.reduce_on_plateau]

    def _update_learning_rates(self, interval: str, update_plateau_schedulers: bool) -> None:
        """As Lightning's, but a schedule acts on each validation once, however seldom there is one.

        Lightning fails where there has been none yet and counts an old one again, as one more that is no better.
        """
        if not update_plateau_schedulers or interval not in {
            config.interval for config in self.trainer.lr_scheduler_configs if config.reduce_on_plateau
        }:
            super()._update_learning_rates(interval, update_plateau_schedulers)
            return
        if not self.val_loop._has_run and any(monitor.startswith("val/") for monitor in self._watched()):
            return
        known = self.trainer.callback_metrics
        for monitor in self._watched():
            if monitor not in known:
                raise UserError(f"the learning-rate schedule watches {monitor!r}; {did_you_mean(monitor, known)}")
        # Set by Lightning at a validation's end, and read by it only when it restarts, which is not how runs resume.
        acted = self.scheduler_progress.total.completed
        super()._update_learning_rates(interval, update_plateau_schedulers)
        if self.scheduler_progress.total.completed > acted:
            self.val_loop._has_run = False


def forget_restart(trainer: LightningTrainer) -> None:
    """Tell the loops that they go on from a state in which nothing is half done.

    Not by setting ``fit_loop.restarting``, which with ``max_steps`` becomes true whatever it is set to.
    """
    _Loop.restarting.fset(trainer.fit_loop, False)


def _is_plain(trainer: LightningTrainer, data_fetcher: _DataFetcher) -> bool:
    """Whether a step is forward, backward, optimizer and nothing else."""
    module, precision = trainer.lightning_module, trainer.precision_plugin
    return (
        type(trainer.strategy) is SingleDeviceStrategy
        and (type(precision) is Precision or (type(precision) is MixedPrecision and precision.scaler is None))
        and isinstance(trainer.profiler, PassThroughProfiler)
        and not isinstance(data_fetcher, _DataLoaderIterDataFetcher)
        and module.automatic_optimization
        and trainer.accumulate_grad_batches == 1
        and trainer.gradient_clip_val is None
        and not any(_is_overridden(module, LightningModule, name) for name in _RARE_HOOKS)
    )


def _is_overridden(thing: Any, base: type, name: str) -> bool:
    return getattr(getattr(thing, name), "__func__", None) is not getattr(base, name)


def _stay(batch: Any, device: torch.device, dataloader_idx: int) -> Any:
    return batch


class _Step:
    """One optimizer step of one epoch, with whoever wants to know of it."""

    def __init__(self, trainer: LightningTrainer) -> None:
        self._trainer = trainer
        self._module = module = trainer.lightning_module
        self._hooks = {
            name: [
                *(
                    partial(getattr(callback, name), trainer, module)
                    for callback in trainer.callbacks
                    if _is_overridden(callback, Callback, name)
                ),
                *([getattr(module, name)] if _is_overridden(module, LightningModule, name) else []),
            ]
            for name in _STEP_HOOKS
        }
        selector = trainer._data_connector._datahook_selector
        assert selector is not None
        self._before_transfer, self._transfer, self._after_transfer = (
            getattr(selector.get_instance(name), name)
            for name in ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
        )
        if trainer.strategy.root_device.type == "cpu" and not _is_overridden(
            selector.get_instance("transfer_batch_to_device"), DataHooks, "transfer_batch_to_device"
        ):
            self._transfer = _stay
        self._schedulers = [
            config
            for config in trainer.lr_scheduler_configs
            if config.interval == "step" and not config.reduce_on_plateau
        ]
        self._takes_index = is_param_in_hook_signature(module.training_step, "batch_idx", min_args=2)

    def _call(self, name: str, *args: Any) -> None:
        hooks = self._hooks[name]
        if hooks:
            self._module._current_fx_name = name  # where self.log looks for who is logging
            for hook in hooks:
                hook(*args)

    def take(self, loop: EpochLoop, data_fetcher: _DataFetcher) -> None:
        trainer, module = self._trainer, self._module
        batch, _, _ = next(data_fetcher)
        index = loop.batch_idx + 1
        loop.batch_progress.is_last_batch = data_fetcher.done
        batch = self._before_transfer(trainer.precision_plugin.convert_input(batch), 0)
        batch = self._after_transfer(self._transfer(batch, trainer.strategy.root_device, 0), 0)
        loop.batch_progress.increment_ready()
        trainer._logger_connector.on_batch_start(batch)
        self._call("on_train_batch_start", batch, index)
        loop.batch_progress.increment_started()
        outputs = self._optimize(loop, batch, index)
        loop.batch_progress.increment_processed()
        for config in self._schedulers:
            if (index + 1) % config.frequency == 0:
                loop.scheduler_progress.increment_ready()
                module.lr_scheduler_step(config.scheduler, None)
                loop.scheduler_progress.increment_completed()
        if loop._num_ready_batches_reached():
            loop.update_lr_schedulers("epoch", update_plateau_schedulers=False)
        self._call("on_train_batch_end", outputs, batch, index)
        module._current_fx_name = None
        trainer._logger_connector.on_batch_end()
        loop.batch_progress.increment_completed()
        trainer._logger_connector.update_train_step_metrics()

    def _optimize(self, loop: EpochLoop, batch: Any, index: int) -> dict[str, Any]:
        optimizer = self._trainer.optimizers[0]
        progress = loop.automatic_optimization.optim_progress.optimizer
        outputs: dict[str, Any] = {}

        def closure() -> Tensor | None:
            self._module._current_fx_name = "training_step"
            arguments = (batch, index) if self._takes_index else (batch,)
            result = ClosureResult.from_training_step_output(self._trainer.strategy.training_step(*arguments))
            progress.zero_grad.increment_ready()
            self._call("on_before_zero_grad", optimizer)
            progress.zero_grad.increment_started()
            self._module.optimizer_zero_grad(self._trainer.current_epoch, index, optimizer)
            progress.zero_grad.increment_completed()
            if result.closure_loss is not None:
                outputs.update(result.asdict())
                self._backward(result.closure_loss)
            self._call("on_before_optimizer_step", optimizer)
            return result.loss

        progress.step.increment_ready()
        optimizer.step(closure)
        progress.step.increment_completed()
        return outputs

    def _backward(self, loss: Tensor) -> None:
        self._call("on_before_backward", loss)
        loss.backward()
        self._call("on_after_backward")
