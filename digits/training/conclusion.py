"""The end of a run: the best checkpoint is tested, once, and the figures are written down."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import Timer, WeightAveraging

from digits.data import DigitsDataModule
from digits.evaluation import fit_temperature
from digits.models import DigitClassifier, read_checkpoint
from digits.training.checkpoint_io import AtomicCheckpointIO
from digits.training.checkpoints import LastCheckpoint
from digits.training.results import context, evaluate, name_of, write_json
from digits.training.run import Run
from digits.training.stopwatch import Stopwatch
from digits.training.table import EpochTable
from digits.training.tensorboard import RunCurves, find_curves, show_model

_PROJECTED = 2000


def conclude(
    trainer: Trainer, model: LightningModule, data: LightningDataModule, config: dict[str, Any]
) -> dict[str, float]:
    """Evaluate the best checkpoint of a finished fit; write metrics.json and TensorBoard's HParams; return the figures.

    Before its test the checkpoint gets the temperature that fits the validation images; the figures are those of the
    model with it, and ``val/ece_before`` is the calibration error without. ``seconds`` is the time of the whole fit,
    ``images_per_second`` the speed of training without validation. ``config`` is the run's configuration. What only our
    own data module tells, the speed and the images for TensorBoard's projector, is left out with another, and so are
    the temperature and the projector of a model that is no DigitClassifier. Every process must call it; the first one
    writes.
    """
    # This callback would put the weights of the last step, not their average, in place of those to be tested.
    for callback in [found for found in trainer.callbacks if isinstance(found, WeightAveraging)]:
        trainer.callbacks.remove(callback)
    curves = find_curves(trainer)
    others = [logger for logger in trainer.loggers if not isinstance(logger, RunCurves | EpochTable)]
    trainer.loggers = []  # the curves show what happened while training
    stopwatch = next(callback for callback in trainer.callbacks if isinstance(callback, Stopwatch))
    figures: dict[str, float] = {"seconds": round(stopwatch.seconds, 2), "epochs": trainer.current_epoch}
    if isinstance(data, DigitsDataModule):
        images = trainer.fit_loop.epoch_loop.batch_progress.total.completed * data.training_batch_size
        figures["images_per_second"] = round(images / stopwatch.training_seconds)
    checkpoint = _checkpoint_to_test(trainer)
    figures |= evaluate(trainer, model, data, "val", checkpoint)
    if isinstance(model, DigitClassifier) and "val/ece" in figures:
        figures |= _calibrate(trainer, model, checkpoint)
    if not isinstance(data, DigitsDataModule) or data.has_labelled_test_set:
        figures |= evaluate(trainer, model, data, "test", checkpoint)
    if trainer.is_global_zero:
        write_json(Run(checkpoint.parent.parent).figures_file, figures | context(data) | {"config": config})
        for logger in others:  # those of the user's choice
            logger.log_hyperparams(flatten(config))
            logger.log_metrics({name: value for name, value in figures.items() if "/" in name}, trainer.global_step)
            logger.save()
            logger.finalize("success")
        if curves is not None:
            _log_hyperparameters(curves, config, figures)
        if curves is not None and isinstance(data, DigitsDataModule) and isinstance(model, DigitClassifier):
            _show_model(curves, model, data, trainer.global_step, shows_test="test/accuracy" in figures)
        if isinstance(data, DigitsDataModule) and data.is_offline:
            warnings.warn(f"these figures are for {data.digits.source!r}, not {data.source.name!r}", stacklevel=2)
    return figures


def _calibrate(trainer: Trainer, model: DigitClassifier, checkpoint: Path) -> dict[str, float]:
    """Fit the temperature to the validation that has just been, and keep it in ``checkpoint``."""
    assert model.predictions is not None
    uncalibrated = model.predictions.scaled(1 / model.temperature.item())  # which is 1 unless it was calibrated before
    temperature = fit_temperature(uncalibrated)
    if trainer.is_global_zero:
        content = read_checkpoint(checkpoint)
        content["state_dict"]["temperature"].fill_(temperature)
        AtomicCheckpointIO().save_checkpoint(content, checkpoint)
    trainer.strategy.barrier()
    calibrated = {f"val/{name}": value for name, value in uncalibrated.scaled(temperature).figures().items()}
    return {"temperature": temperature, "val/ece_before": uncalibrated.figures()["ece"], **calibrated}


def why_stopped(trainer: Trainer) -> str | None:
    """What ended a finished fit before its last epoch or step, in words."""
    if not trainer.should_stop:
        return None
    for callback in trainer.early_stopping_callbacks:
        if callback.stopping_reason_message is not None:
            reason = callback.stopping_reason_message.removesuffix(" Signaling Trainer to stop.")
            return f"stopped early after {trainer.current_epoch} epochs: {reason}"
    timers = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]
    if any((timer.time_remaining() or 0) < 0 for timer in timers):
        return f"stopped after {trainer.current_epoch} epochs, the last of them cut short: the time is up"
    return None


def describe(figures: dict[str, float], data: LightningDataModule) -> str:
    """The most important of ``figures`` in words."""
    if "test/digit_error_rate" in figures:
        error, count = figures["test/digit_error_rate"], figures["test/count"]
        return f"test digit error rate {100 * error:.4g} % of {count:,.0f} digits on pages of {name_of(data)}"
    if "test/accuracy" in figures:
        split, name = "test", "test accuracy"
    elif "val/accuracy" in figures:
        split, name = "val", "validation accuracy"
    else:
        logged = [f"{name} {value:.4g}" for name, value in figures.items() if name.startswith(("test/", "val/"))]
        return f"{', '.join(logged) or 'nothing to evaluate'} on {name_of(data)}"
    accuracy, count = figures[f"{split}/accuracy"], figures[f"{split}/count"]
    return f"{name} {100 * accuracy:.4g} % of {count:,} images of {name_of(data)}"


def _checkpoint_to_test(trainer: Trainer) -> Path:
    """``best.ckpt``, or ``last.ckpt`` of a run without validation."""
    last = next(callback for callback in trainer.callbacks if isinstance(callback, LastCheckpoint))
    assert last.dirpath is not None
    return Run(Path(last.dirpath).parent).tested  # on every process the folder that the first one writes into


def _show_model(
    curves: RunCurves, model: DigitClassifier, data: DigitsDataModule, step: int, *, shows_test: bool
) -> None:
    """Fill TensorBoard's Graphs tab and its Projector, with up to 2,000 images that the model is judged by."""
    if shows_test:
        assert data.digits.test is not None
        judged, rows = data.digits.test, torch.arange(min(_PROJECTED, len(data.digits.test)))
    else:
        judged, rows = data.train_images(), data.validation_indices[:_PROJECTED]
    show_model(curves, model.eval(), *judged.gather(rows), step)
    curves.save()


def _log_hyperparameters(logger: RunCurves, config: dict[str, Any], figures: dict[str, float]) -> None:
    """Fill TensorBoard's HParams tab: what was set, and what came of it."""
    chosen = {key: config[key] for key in ("seed_everything", "model", "data")}
    chosen["trainer"] = {key: config["trainer"].get(key) for key in ("max_epochs", "precision")}
    names = ("val/accuracy", "val/loss", "test/accuracy", "test/loss", "test/ece")
    finals = {f"final/{name.replace('/', '_')}": figures[name] for name in names if name in figures}
    logger.log_hyperparams(flatten(chosen), finals)
    logger.save()


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
