"""The LightningModule that every model shares: loss, metrics, optimizer and schedule."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.cli import OptimizerCallable
from pytorch_lightning.cli import ReduceLROnPlateau as LightningsPlateau
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from digits.classes import TEN_DIGITS, classes_of_data, describe_classes
from digits.data import Batch, as_batch
from digits.errors import UserError
from digits.models.layers import Standardize, log_mean_probability
from digits.models.metrics import Predictions, PredictionStore, TrainingProgress
from digits.models.schedules import ScheduleCallable, usual_interval


@dataclass
class SchedulerConfig:
    """When the learning-rate scheduler acts.

    Attributes:
        interval: After each optimizer step or each epoch; null for what suits the schedule: steps for those that are
            laid out over steps (OneCycle, CyclicLR), epochs for others.
        frequency: Every so many of these.
        monitor: The figure that torch's ReduceLROnPlateau watches; Lightning's has an argument for it.

    """

    interval: Literal["step", "epoch"] | None = None
    frequency: int = 1
    monitor: str = "val/loss"


Pair = tuple[Tensor, Tensor]
"""What other DataLoaders give: images ``(B, 1, 28, 28)``, uint8 or floats in ``[0, 1]``, and labels ``(B,)``."""


class DigitClassifier(LightningModule):
    """Base of all models: images ``(B, 1, 28, 28)`` float32 in ``[0, 1]``, ink high, to logits ``(B, classes)``.

    A subclass builds ``self.network``, which receives standardized images and ends with ``self.num_classes`` outputs,
    and is done.

    Args:
        optimizer: Makes the optimizer from the parameters; in YAML a class path and its arguments.
        lr_scheduler: Makes the schedule from the optimizer, likewise. A ``total_steps`` or ``T_max`` that it takes and
            is not given becomes the number of times that it will act in the run.
        lr_scheduler_config: When the schedule acts.
        label_smoothing: Share of the target spread evenly over all classes while training, 0…1.
        stretch_contrast: Stretch each image's range of grey to 0…1 before anything else, so that faint ink is read too.
        test_time_shift: Answer with the mean of the probabilities for the image and for its copies shifted by so many
            pixels to each of the four sides; 0 for the image alone, which takes a fifth of the time.
        class_names: What the outputs stand for; null for the ten digits. ``fit`` takes them from the data.

    """

    network: nn.Module
    class_names: tuple[str, ...]
    temperature: Tensor
    is_trained = False
    """Whether a new object of this class can answer without a checkpoint's weights."""
    arguments_that_name_files: tuple[str, ...] = ()
    """Which a checkpoint may not give: it would choose what else is opened."""

    def __init__(
        self,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: ScheduleCallable | None = None,
        lr_scheduler_config: SchedulerConfig = SchedulerConfig(),  # noqa: B008 - never modified
        label_smoothing: float = 0.0,
        stretch_contrast: bool = False,
        test_time_shift: int = 0,
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= test_time_shift < 28:
            raise UserError(f"test_time_shift is {test_time_shift}; it must be 0 to 27 pixels")
        if not 0 <= label_smoothing <= 1:
            raise UserError(f"label_smoothing is {label_smoothing}; it must be 0 to 1")
        # What rebuilds the network. The rest would put classes into the checkpoint, which could not be loaded safely.
        self.save_hyperparameters(ignore=["optimizer", "lr_scheduler", "lr_scheduler_config"], logger=False)
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.lr_scheduler_config = lr_scheduler_config
        self.label_smoothing = label_smoothing
        self.test_time_shift = test_time_shift
        self._chose_classes = class_names is not None
        self._name_classes(class_names or TEN_DIGITS)
        self.standardize = Standardize(stretch_contrast)
        # By which the logits are divided when answering; ``fit`` ends with finding it.
        self.register_buffer("temperature", torch.tensor(1.0))
        self.example_input_array = torch.zeros(1, 1, 28, 28)
        self.training_progress = TrainingProgress()
        self.store = PredictionStore()
        self.predictions: Predictions | None = None
        """The outcome of the latest validation, test or prediction."""
        self.latest_loss: float | None = None
        """The loss of the latest step that was logged."""

    @property
    def num_classes(self) -> int:
        """How many outputs the network has."""
        return len(self.class_names)

    def setup(self, stage: str) -> None:
        names = classes_of_data(self.trainer.datamodule)
        if names is None or tuple(names) == self.class_names:
            return
        if len(names) == self.num_classes and not self._chose_classes:
            self._name_classes(names)
            return
        raise UserError(
            f"{type(self).__name__} tells {describe_classes(self.class_names)} apart and the data have "
            f"{describe_classes(names)}; give it data with its classes, or a network that is made for these "
            "(class_names=data.class_names)"
        )

    def _name_classes(self, names: Sequence[str]) -> None:
        self.class_names = tuple(names)
        self.hparams["class_names"] = list(names)

    def check_classes(self, hyper_parameters: dict[str, Any]) -> None:
        """Raise UserError where a checkpoint with these ``hyper_parameters`` names other classes than this model."""
        known = hyper_parameters.get("class_names")
        if known is not None and tuple(known) != self.class_names:
            raise UserError(
                f"the checkpoint tells {describe_classes(known)} apart and the data have "
                f"{describe_classes(self.class_names)}; give it data with its classes, or train anew"
            )

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            return self.compute_logits(images)
        logits = self._compute_mean_logits(images) if self.test_time_shift else self.compute_logits(images)
        return logits / self.temperature

    @torch.inference_mode()
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """``(N, classes)`` float32 for ``images`` ``(N, 1, 28, 28)`` float32 in ``[0, 1]``; for users without torch."""
        return self.eval()(torch.from_numpy(images).to(self.device)).softmax(dim=1).numpy(force=True)

    def compute_logits(self, images: Tensor) -> Tensor:
        """Logits ``(B, classes)`` of the images as they are, before the temperature."""
        return self.network(self.standardize(images))

    def _compute_mean_logits(self, images: Tensor) -> Tensor:
        shift = self.test_time_shift
        padded = F.pad(images, (shift,) * 4)
        places = ((shift, shift), (0, shift), (2 * shift, shift), (shift, 0), (shift, 2 * shift))
        views = torch.cat([padded[..., y : y + 28, x : x + 28] for y, x in places])
        return log_mean_probability(self.compute_logits(views).unflatten(0, (len(places), -1)))

    def on_fit_start(self) -> None:
        self.temperature.fill_(1.0)  # a checkpoint to go on from may hold another

    def training_step(self, batch: Batch | Pair, batch_idx: int) -> Tensor:
        if not isinstance(batch, Batch):
            batch = as_batch(batch, is_first=batch_idx == 0)
            self._check_labels(batch.labels)
        logits = self(batch.images)
        self._check_width(logits)
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=self.label_smoothing)
        self.training_progress.add(loss, logits, batch.labels)
        if (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            self._log_step(loss.detach())
        return loss

    def _log_step(self, loss: Tensor) -> None:
        """Log the loss of every so many optimizer steps.

        Not by self.log, which costs every later step as much as this one, and writes after checkpoints of the step are
        saved, which would leave a gap in the curve of a run that resumes from one.
        """
        step, interval = self.trainer.global_step, self.trainer.log_every_n_steps
        if interval > 0 and (step + 1) % interval == 0:
            self.latest_loss = loss.item()
            for logger in self.loggers:
                logger.log_metrics({"train/loss_step": self.latest_loss}, step)

    def on_train_epoch_end(self) -> None:
        self.log("train/learning_rate", self.trainer.optimizers[0].param_groups[0]["lr"])
        self.training_progress.count_all()
        for name, value in self.training_progress.compute().items():
            self.log(f"train/{name}", value)
        self.training_progress.reset()

    def _evaluate(self, batch: Batch | Pair) -> Tensor:
        if not isinstance(batch, Batch):  # the indices are those of Lightning's sampler, which deals images out in turn
            count, rank, world_size = self.store.count, self.trainer.global_rank, self.trainer.world_size
            batch = as_batch(batch, first=count * world_size + rank, step=world_size, is_first=count == 0)
            if not self.trainer.predicting:
                self._check_labels(batch.labels)
        # In fp32 even where training is in bf16: the figures are then those of the report, the exported files and
        # `recognize`, and the same on machines whose default precisions differ.
        with torch.autocast(self.device.type, enabled=False):
            logits = self(batch.images)
        self._check_width(logits)
        self.store.add(batch.indices, logits, batch.labels)
        return logits

    def _check_width(self, logits: Tensor) -> None:
        if logits.shape[1] != self.num_classes:
            raise UserError(
                f"the network of {type(self).__name__} has {logits.shape[1]} outputs for "
                f"{describe_classes(self.class_names)}; end it with self.num_classes outputs"
            )

    def _check_labels(self, labels: Tensor) -> None:
        """Raise UserError for labels that a data loader should not have; our own sources have looked at theirs."""
        if labels.numel() == 0:
            return
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= self.num_classes:
            classes = describe_classes(self.class_names)
            raise UserError(
                f"the data loader gives the label {low if low < 0 else high} and the model tells {classes} apart, of "
                f"which labels are the places, 0 to {self.num_classes - 1}; say how many there are with num_classes or "
                "class_names of the data module"
            )

    def validation_step(self, batch: Batch | Pair, batch_idx: int) -> None:
        self._evaluate(batch)

    def test_step(self, batch: Batch | Pair, batch_idx: int) -> None:
        self._evaluate(batch)

    def predict_step(self, batch: Batch | Pair, batch_idx: int) -> Tensor:
        return self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        self._conclude("val", prog_bar=("accuracy",))

    def on_test_epoch_end(self) -> None:
        self._conclude("test")

    def on_predict_epoch_end(self) -> None:
        self._collect()

    def _collect(self) -> Predictions:
        self.predictions = self.store.gather(self.class_names)
        if self.trainer.state.fn == TrainerFn.FITTING:  # whose end, where it diverges, is StopOnDivergence's to tell
            return self.predictions
        return self.predictions.checked()

    def _conclude(self, split: str, prog_bar: tuple[str, ...] = ()) -> None:
        for name, value in self._collect().figures().items():
            # The same on every process: computed from the predictions of all of them.
            self.log(f"{split}/{name}", value, prog_bar=name in prog_bar)

    def figure_names(self) -> list[str]:
        """The names of all that is logged while training, which a callback or a schedule may watch."""
        answers = Predictions(
            torch.arange(1), torch.zeros(1, self.num_classes), torch.zeros(1).long(), self.class_names
        )
        progress = ("loss", "accuracy", "learning_rate", "loss_step")
        return [*(f"val/{name}" for name in answers.figures()), *(f"train/{name}" for name in progress)]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        try:
            optimizer = self.optimizer(self.parameters())
            if self.lr_scheduler is None:
                return optimizer
            scheduler = self.lr_scheduler(optimizer, **self._schedule_length())
        except ValueError as error:  # torch refuses an argument
            raise UserError(f"model.optimizer or model.lr_scheduler: {error}") from None
        config = {"scheduler": scheduler, **asdict(self.lr_scheduler_config)}
        config["interval"] = config["interval"] or usual_interval(scheduler)
        if isinstance(scheduler, LightningsPlateau):
            config["monitor"] = scheduler.monitor
        return {"optimizer": optimizer, "lr_scheduler": config}

    def _schedule_length(self) -> dict[str, int]:
        """The length, as a schedule calls it that takes one and was not given it in the configuration."""
        maker = self.lr_scheduler
        assert maker is not None
        parameters = inspect.signature(maker).parameters.items()
        given = {name: parameter.default for name, parameter in parameters} | getattr(maker, "keywords", {})
        config = self.lr_scheduler_config
        for name, interval in (("total_steps", "step"), ("T_max", "epoch")):
            if given.get(name, 0) is None:
                steps, epochs = self._run_length()
                length = epochs if (config.interval or interval) == "epoch" else steps
                return {name: max(length // config.frequency, 1)}
        return {}

    def _run_length(self) -> tuple[int, int]:
        """How many optimizer steps this run takes, and how many epochs it begins.

        Not ``trainer.estimated_stepping_batches``, which sets up the loaders too early for a resume to restore their
        place (Lightning issue 20550), where these are a data module's.
        """
        trainer = self.trainer
        if trainer.datamodule is None:
            return int(trainer.estimated_stepping_batches), max(trainer.max_epochs or 1, 1)
        batches: float = len(trainer.datamodule.train_dataloader())
        limit = trainer.limit_train_batches
        batches = min(limit, batches) if isinstance(limit, int) else int(limit * batches)
        steps_of_epoch = max(math.ceil(batches / trainer.accumulate_grad_batches), 1)
        limits = [trainer.max_steps] if trainer.max_steps != -1 else []
        if trainer.max_epochs not in (None, -1):
            limits.append(steps_of_epoch * trainer.max_epochs)
        if not limits:
            raise UserError(
                "the learning-rate schedule needs to know how long the run is: set trainer.max_epochs or "
                "trainer.max_steps, or give the schedule its total_steps"
            )
        return min(limits), math.ceil(min(limits) / steps_of_epoch)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["training_progress"] = self.training_progress.totals()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.check_classes(checkpoint.get("hyper_parameters", {}))
        if "training_progress" in checkpoint and self._trainer is not None:
            rank, world_size = self.trainer.global_rank, self.trainer.world_size
            self.training_progress.continue_from(checkpoint["training_progress"], rank, world_size)
