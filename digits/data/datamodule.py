"""The LightningDataModule that every model trains on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from digits.data.augmentation import Augmentation, Transform, as_augmentation
from digits.data.batches import BatchDataset, BatchLoader, EvaluationBatches, TrainingBatches, TrainingLoader
from digits.data.images import Batch, DigitImages, Digits, digest
from digits.data.sources import DataNotFoundError, Source, default_data_dir, find_source
from digits.data.splits import split_training_set
from digits.errors import UserError
from digits.paths import expand
from digits.seeding import derive_seed, run_seed


class DigitsDataModule(LightningDataModule):
    """Digits from one source, split, batched and, while training, augmented.

    Images stay in memory as uint8; on the model's device they become float32 in ``[0, 1]``, ink high. The official
    test set is never split, shuffled or trained on. ``batch_size`` counts the images of all processes together.

    Args:
        source: mnist, qmnist, fashion, kmnist, emnist-digits, -letters, -balanced, -bymerge or -byclass, uci, csv,
            folder or memmap, or the class path of a digits.data.Source of your own.
        data_dir: Where the files are or go, with ~ and $NAME filled in; $DIGITS_DATA_DIR by default, else data/.
        offline_source: What to train on, with a warning, when a source that is downloaded is neither on disk nor to be
            had. It never stands in for files of your own.
        batch_size: Images in an optimizer step, over all devices together.
        eval_batch_size: Images in a batch of validation, test and prediction.
        validation_size: How many training images validate (at most a fifth of them), stratified by class.
        subset: Train on the first so many of the shuffled training images; all of them by default.
        num_folds: Validate on one of so many stratified folds of the training images instead.
        fold: Which fold, from 0.
        split_seed: Seed of the validation split, the folds and the subset; apart from the run's seed, so that
            runs with different seeds validate on the same images.
        augmentation: Random distortion of training images, or a list of several, one after another: classes of
            digits.data, which take whole batches, or any callable that takes an image ``(1, 28, 28)``, as torchvision's
            v2 transforms are. null switches it off.
        num_workers: Worker processes that gather batches; 0 is fastest for data in memory.

    """

    def __init__(
        self,
        source: str = "mnist",
        data_dir: str | None = None,
        offline_source: str | None = None,
        batch_size: int = 256,
        eval_batch_size: int = 1000,
        validation_size: int = 5000,
        subset: int | None = None,
        num_folds: int | None = None,
        fold: int = 0,
        split_seed: int = 0,
        # With the list behind Callable, jsonargparse would not write it into config.yaml.
        augmentation: Augmentation | list[Transform] | Callable[..., Any] | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        for name, size in {
            "batch_size": batch_size,
            "eval_batch_size": eval_batch_size,
            "validation_size": validation_size,
            "subset": subset,
        }.items():
            if size is not None and size < 1:
                raise UserError(f"data.{name} is {size}; it must be at least 1")
        if num_folds is not None and num_folds < 2:
            raise UserError(f"data.num_folds is {num_folds}; it must be at least 2")
        if num_workers < 0:
            raise UserError(f"data.num_workers is {num_workers}; it must be at least 0")
        self.source = find_source(source)
        self.offline_source = None if offline_source is None else find_source(offline_source)
        self.data_dir = expand(data_dir) if data_dir else default_data_dir()
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.validation_size = validation_size
        self.subset = subset
        self.num_folds = num_folds
        self.fold = fold
        self.split_seed = split_seed
        self.augmentation = as_augmentation(augmentation)
        self.num_workers = num_workers
        self.seed = run_seed()
        self._digits: Digits | None = None

    @property
    def digits(self) -> Digits:
        """The data in use; its ``source`` is the offline source's name when that stands in."""
        if self._digits is None:
            self.setup("fit")
        assert self._digits is not None
        return self._digits

    @property
    def is_offline(self) -> bool:
        """Whether the offline source stands in for the one that was asked for."""
        return self.digits.source != self.source.name

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What the labels count, in order; None where no image has a label."""
        if self.source.class_names is not None:
            return self.source.class_names
        self.prepare_data()
        return self._load().class_names

    def prepare_data(self) -> None:
        try:
            self.source.prepare(self.data_dir)
        except DataNotFoundError as error:
            self._stand_in(error).prepare(self.data_dir)
            warnings.warn(self._offline_notice(str(error)), stacklevel=2)

    def setup(self, stage: str) -> None:
        self._load()
        if stage == "fit":
            self._split()

    def _load(self) -> Digits:
        if self._digits is None:
            try:
                self._digits = _load(self.source, self.data_dir)
            except DataNotFoundError as error:
                self._digits = _load(self._stand_in(error), self.data_dir)
        return self._digits

    def _stand_in(self, missing: DataNotFoundError) -> Source:
        """The offline source; raises ``missing`` where there is none that has the same classes."""
        names = self.source.class_names
        if self.offline_source is None or names not in (None, self.offline_source.class_names):
            raise missing
        return self.offline_source

    def _offline_notice(self, reason: str) -> str:
        assert self.offline_source is not None
        return f"{reason} Using {self.offline_source.name!r} instead of {self.source.name!r} (data.offline_source)."

    def _split(self) -> None:
        labels = self.train_images().labels
        assert labels is not None
        training, validation = split_training_set(
            labels,
            validation_size=self.validation_size,
            num_folds=self.num_folds,
            fold=self.fold,
            subset=self.subset,
            seed=self.split_seed,
        )
        self.training_indices = torch.from_numpy(training)
        self.validation_indices = torch.from_numpy(validation)

    def train_images(self) -> DigitImages:
        """The labelled training images, before any split."""
        train = self.digits.train
        if train is None or train.labels is None:
            raise UserError(f"the source {self.digits.source!r} in {self.data_dir} has no labelled training images")
        return train

    def _test_images(self) -> DigitImages:
        if self.digits.test is None:
            raise UserError(f"the source {self.digits.source!r} in {self.data_dir} has no test images")
        return self.digits.test

    @property
    def has_labelled_test_set(self) -> bool:
        """False for Kaggle's test.csv and the like, which can only be predicted."""
        return self.digits.test is not None and self.digits.test.labels is not None

    def train_dataloader(self) -> BatchLoader:
        if not hasattr(self, "training_indices"):
            self._split()
        size = len(self.training_indices)
        rank, world_size = self._place()
        if self.trainer is not None and self.trainer.overfit_batches > 0:  # the same batches in every epoch
            return self._training_loader(EvaluationBatches(size, self.batch_size, rank=rank, world_size=world_size))
        if self.batch_size % world_size != 0:
            raise UserError(
                f"data.batch_size {self.batch_size} cannot be shared equally by {world_size} devices; "
                f"try {max(self.batch_size // world_size, 1) * world_size}"
            )
        if size < world_size:
            raise UserError(f"{size} training images are too few for {world_size} devices")
        batches = TrainingBatches(
            size,
            self.training_batch_size,
            seed=self.seed,
            # Not current_epoch, which lags behind when a checkpoint was written at the end of an epoch.
            epoch=self.trainer.fit_loop.epoch_progress.current.processed if self.trainer else 0,
            rank=rank,
            world_size=world_size,
        )
        return self._training_loader(batches)

    def _training_loader(self, batches: TrainingBatches | EvaluationBatches) -> TrainingLoader:
        return TrainingLoader(
            BatchDataset(self.train_images(), self.training_indices),
            batches,
            num_workers=self.num_workers,
            pin_memory=self._pin_memory(),
        )

    @property
    def training_batch_size(self) -> int:
        """Images in a training batch of all processes: ``batch_size``, or all there are."""
        size, (_, world_size) = len(self.training_indices), self._place()
        return min(self.batch_size, size - size % world_size)

    def val_dataloader(self) -> BatchLoader:
        if not hasattr(self, "validation_indices"):
            self._split()
        return self._evaluation_loader(self.train_images(), self.validation_indices)

    def test_dataloader(self) -> BatchLoader:
        images = self._test_images()
        if images.labels is None:
            raise UserError(f"the test images of {self.digits.source!r} have no labels; use `predict`")
        return self._evaluation_loader(images)

    def predict_dataloader(self) -> BatchLoader:
        return self._evaluation_loader(self._test_images())

    def _evaluation_loader(self, images: DigitImages, indices: Tensor | None = None) -> BatchLoader:
        indices = torch.arange(len(images)) if indices is None else indices
        rank, world_size = self._place()
        return BatchLoader(
            BatchDataset(images, indices),
            EvaluationBatches(len(indices), self.eval_batch_size, rank=rank, world_size=world_size),
            num_workers=self.num_workers,
            pin_memory=self._pin_memory(),
        )

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _pin_memory(self) -> bool:
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"

    def on_after_batch_transfer(self, batch: Batch | Tensor, dataloader_idx: int) -> Batch | Tensor:
        if isinstance(batch, Tensor):  # the model's example input, on its way to the summary
            return batch
        images = batch.images.float() / 255
        if self.augmentation is not None and self.trainer is not None and self.trainer.training:
            images = self.augmentation(images, self._batch_generator(images.device))
        return batch._replace(images=images)

    def _batch_generator(self, device: torch.device) -> torch.Generator:
        """A generator whose draws depend on the run's seed and the batch's place in it, not on what came before."""
        assert self.trainer is not None
        rank, _ = self._place()
        seed = derive_seed(self.seed, self.trainer.fit_loop.total_batch_idx + 1, rank)
        return torch.Generator(device).manual_seed(seed)

    def state_dict(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "source": self.digits.source,
            "fingerprint": self.digits.fingerprint,
            "split": self._split_key(),
        }

    def _split_key(self) -> list[int | None]:
        return [self.validation_size, self.num_folds, self.fold, self.split_seed]

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert self.trainer is not None
        if self.trainer.state.fn != TrainerFn.FITTING:
            return
        if state["fingerprint"] != self.digits.fingerprint:
            raise UserError(
                f"the checkpoint was trained on {state['source']!r} and the data here are {self.digits.source!r} with "
                "other contents; resume with the same data, or start anew from its weights with --init_from"
            )
        if state["split"] != self._split_key():
            raise UserError(
                "data.validation_size, num_folds, fold and split_seed must stay as they were in the run that is "
                "resumed: images that it trained on would validate it"
            )
        self.seed = state["seed"]


def _load(source: Source, data_dir: Path) -> Digits:
    try:
        digits = source.load(data_dir)
    except OSError as error:
        raise UserError(f"{error.filename or data_dir} cannot be read: {error.strerror or error}") from None
    fingerprint = digits.fingerprint or {"images and labels": digest(digits.train, digits.test)}
    return replace(digits, source=source.name, fingerprint=fingerprint)
