"""The LightningDataModule that composes pages while training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import Dataset

from digits.data.batches import BatchLoader, EvaluationBatches, TrainingBatches, TrainingLoader
from digits.data.datamodule import DigitsDataModule
from digits.data.images import DigitImages
from digits.data.pages.composer import Composer
from digits.data.pages.sprites import Sprites, load_sprites
from digits.data.sources import default_data_dir
from digits.errors import UserError
from digits.paths import expand
from digits.seeding import derive_seed

_NONE = -2


class PageBatch(NamedTuple):
    """Pages ``(B, 1, side, side)``, uint8 in storage and float32 in ``[0, 1]`` on the device, and their digits.

    ``boxes`` ``(B, M, 4)`` float32 are left, top, right, bottom in pixels; ``labels`` ``(B, M)`` int64 0…9, -1 for what
    is neither wanted nor unwanted, -2 for no box; ``lines`` ``(B, M)`` int64 numbers the lines.
    """

    pages: Tensor
    boxes: Tensor
    labels: Tensor
    lines: Tensor


class ComposedPages(Dataset[PageBatch]):
    """Hands out batches of composed pages: ``dataset[numbers]``."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer

    def __getitem__(self, numbers: Tensor) -> PageBatch:
        side = self._composer.side
        pages = [self._composer(number) for number in numbers.tolist()]
        most = max([1, *(len(page.labels) for page in pages)])
        boxes = np.zeros((len(pages), most, 4), dtype=np.float32)
        truths = np.full((len(pages), most), _NONE)
        lines = np.zeros((len(pages), most), dtype=np.int64)
        for row, page in enumerate(pages):
            boxes[row, : len(page.labels)] = page.boxes
            truths[row, : len(page.labels)] = page.labels
            lines[row, : len(page.labels)] = page.lines
        shown = np.stack([page.image for page in pages])[:, None] if pages else np.zeros((0, 1, side, side))
        return PageBatch(*map(torch.from_numpy, (shown.astype(np.uint8), boxes, truths, lines)))


class PageNumbers(TrainingBatches):
    """Numbers of the pages of an epoch, batch by batch, this process's share of each; no page comes twice in a run."""

    def __init__(self, pages: int, batch_size: int, *, epoch: int, rank: int, world_size: int) -> None:
        super().__init__(pages, batch_size, seed=0, epoch=epoch, rank=rank, world_size=world_size)

    def __iter__(self) -> Iterator[Tensor]:
        first, self.skip = self.skip, 0
        share = self._batch_size // self._world_size
        for number in range(first, len(self)):
            start = (self._epoch * len(self) + number) * self._batch_size + self._rank * share
            yield torch.arange(start, start + share)


class PagesDataModule(LightningDataModule):
    """Pages composed of one source's digits: training images on the training pages, test images on the test pages.

    A page is a function of the run's seed and its number, so that a run resumes exactly, in however many processes.

    Args:
        source: Whose digits: what ``DigitsDataModule`` takes.
        data_dir: Where its files are or go; $DIGITS_DATA_DIR by default, else data/.
        offline_source: What stands in for a source that is neither on disk nor to be downloaded.
        typefaces: Folder with ``handwriting/`` and ``print/``, which scripts/fetch_typefaces.py fills; by default
            ``typefaces`` in ``$DIGITS_DATA_DIR``, else in data/. Without it pages show the source's digits, drawn ones,
            and one typeface.
        side: Pixels along each side of a page, a multiple of 16.
        pages_per_epoch: Training pages in an epoch; every epoch has new ones.
        validation_pages: Pages that validate.
        test_pages: Pages that test.
        batch_size: Pages in an optimizer step, over all devices together.
        eval_batch_size: Pages in a batch of validation and test.
        validation_size: How many of the source's training images stand on the pages that validate, and on no other.
        subset: Train on pages of the first so many of the shuffled training images; of all of them by default.
        num_workers: Worker processes that compose pages.

    """

    def __init__(
        self,
        source: str = "mnist",
        data_dir: str | None = None,
        offline_source: str | None = None,
        typefaces: str | None = None,
        side: int = 256,
        pages_per_epoch: int = 8000,
        validation_pages: int = 400,
        test_pages: int = 1000,
        batch_size: int = 16,
        eval_batch_size: int = 20,
        validation_size: int = 5000,
        subset: int | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        if side % 16 != 0 or side < 64:
            raise UserError(f"data.side is {side}; it must be a multiple of 16, and at least 64")
        if pages_per_epoch < batch_size:
            raise UserError(f"data.pages_per_epoch is {pages_per_epoch}; it must be at least batch_size, {batch_size}")
        for name, pages in {"validation_pages": validation_pages, "test_pages": test_pages}.items():
            if pages < 1:
                raise UserError(f"data.{name} is {pages}; it must be at least 1")
        if typefaces is not None and not expand(typefaces).is_dir():
            raise UserError(
                f"data.typefaces: the folder {typefaces} does not exist; scripts/fetch_typefaces.py makes it"
            )
        self.digits = DigitsDataModule(
            source=source,
            data_dir=data_dir,
            offline_source=offline_source,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            validation_size=validation_size,
            subset=subset,
            num_workers=num_workers,
        )
        folder = expand(typefaces) if typefaces else default_data_dir() / "typefaces"
        self.typefaces = folder if folder.is_dir() else None
        self.side = side
        self.pages_per_epoch = pages_per_epoch
        self.validation_pages = validation_pages
        self.test_pages = test_pages
        self._sprites: dict[int, Sprites] = {}

    def __str__(self) -> str:
        # Lightning's would compose pages, to say how many there are; jsonargparse asks for it before there are data.
        return f"pages of {self.digits.source.name}"

    def prepare_data(self) -> None:
        self.digits.prepare_data()

    def setup(self, stage: str) -> None:
        self.digits.trainer = self.trainer
        self.digits.setup("fit" if stage == "validate" else stage)

    def train_dataloader(self) -> BatchLoader:
        rank, world_size = self._place()
        batch_size = self.digits.batch_size
        if batch_size % world_size != 0:
            raise UserError(f"data.batch_size {batch_size} cannot be shared equally by {world_size} devices")
        numbers = PageNumbers(
            self.pages_per_epoch,
            batch_size,
            epoch=self.trainer.fit_loop.epoch_progress.current.processed if self.trainer else 0,
            rank=rank,
            world_size=world_size,
        )
        pages = self._pages(self.digits.train_images(), self.digits.training_indices, self.digits.seed, 0)
        return TrainingLoader(pages, numbers, num_workers=self.digits.num_workers, pin_memory=self._pin_memory())

    def val_dataloader(self) -> BatchLoader:
        pages = self._pages(self.digits.train_images(), self.digits.validation_indices, self.digits.split_seed, 1)
        return self._page_loader(pages, self.validation_pages)

    def test_dataloader(self) -> BatchLoader:
        images = self.digits.digits.test
        if images is None or images.labels is None:
            raise UserError(f"the source {self.digits.digits.source!r} has no labelled test images")
        return self._page_loader(self._pages(images, torch.arange(len(images)), 0, 2), self.test_pages)

    def _pages(self, images: DigitImages, indices: Tensor, seed: int, use: int) -> ComposedPages:
        if use not in self._sprites:  # here, and not in the processes that compose, which come and go
            pictures, labels = images.gather(indices.long())
            self._sprites[use] = load_sprites(pictures[:, 0].numpy(), labels.numpy(), self.typefaces)
        return ComposedPages(Composer(self._sprites[use], self.side, derive_seed(seed, use)))

    def _page_loader(self, pages: ComposedPages, count: int) -> BatchLoader:
        rank, world_size = self._place()
        batches = EvaluationBatches(count, self.digits.eval_batch_size, rank=rank, world_size=world_size)
        return BatchLoader(pages, batches, num_workers=self.digits.num_workers, pin_memory=self._pin_memory())

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _pin_memory(self) -> bool:
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch if isinstance(batch, Tensor) else batch._replace(pages=batch.pages.float() / 255)

    def state_dict(self) -> dict[str, Any]:
        return self.digits.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.digits.trainer = self.trainer
        self.digits.load_state_dict(state)
