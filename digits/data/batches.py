"""Batches gathered by index from tensors in memory, in an order that is a function of (seed, epoch).

A textbook ``DataLoader`` fetches one sample at a time and stacks them, which on a CPU takes longer than a small
network's step. Here the sampler yields the indices of a whole batch and the data set gathers them in one operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from digits.data.images import Batch, DigitImages
from digits.seeding import derive_seed


class BatchDataset(Dataset[Batch]):
    """Hands out whole batches: ``dataset[indices]`` is the Batch of these images, uint8.

    ``indices`` maps positions in the sampler's order to rows of ``images`` and is what Batch.indices reports.
    """

    def __init__(self, images: DigitImages, indices: Tensor) -> None:
        self._images = images
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, positions: Tensor) -> Batch:
        rows = self._indices.index_select(0, positions).long()
        return Batch(*self._images.gather(rows), rows)


class TrainingBatches(Sampler[Tensor]):
    """Yields this process's share of each shuffled batch as positions ``(batch_size / world_size,)``.

    ``batch_size`` counts the images of all processes together, so that a run means the same on one device as on
    many. The order is a function of (seed, epoch); images that do not fill a last batch sit out that epoch, others
    the next. ``skip`` leaves out batches at the start of the first epoch asked for: those that a resumed run has had.
    """

    def __init__(self, size: int, batch_size: int, *, seed: int, epoch: int, rank: int, world_size: int) -> None:
        assert batch_size % world_size == 0
        self._size = size
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = epoch
        self._rank = rank
        self._world_size = world_size
        self.skip = 0

    def __len__(self) -> int:
        return self._size // self._batch_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration follows; Lightning calls this."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Tensor]:
        first, self.skip = self.skip, 0
        generator = torch.Generator().manual_seed(derive_seed(self._seed, self._epoch))
        order = torch.randperm(self._size, generator=generator, dtype=torch.int32)
        share = self._batch_size // self._world_size
        for number in range(first, len(self)):
            start = number * self._batch_size + self._rank * share
            yield order[start : start + share]


class EvaluationBatches(Sampler[Tensor]):
    """Yields every position once, in order; process r of w takes the batches r, r + w, r + 2w, …

    Whole batches go round, so that each is computed exactly as on one device. All processes take the same number of
    turns (DistributedDataParallel meets at every forward pass); those without a batch left get an empty one, which
    counts nothing, where the usual sampler would repeat samples and count them twice. ``skip`` leaves out turns at the
    start of the next iteration, as TrainingBatches' does.
    """

    def __init__(self, size: int, batch_size: int, *, rank: int, world_size: int) -> None:
        self._size = size
        self._batch_size = batch_size
        self._rank = rank
        self._world_size = world_size
        self.skip = 0

    def __len__(self) -> int:
        return -(-self._size // (self._batch_size * self._world_size))

    def __iter__(self) -> Iterator[Tensor]:
        first, self.skip = self.skip, 0
        for turn in range(first, len(self)):
            start = (turn * self._world_size + self._rank) * self._batch_size
            yield torch.arange(min(start, self._size), min(start + self._batch_size, self._size))


class BatchLoader:
    """Iterates over the batches that ``sampler`` names, gathered here or by worker processes.

    A plain iterable around a ``DataLoader``, so that Lightning takes it as it is. Nothing starts before the first batch
    is asked for, because Lightning creates the iterator first and names the epoch afterwards.
    """

    def __init__(self, dataset: Dataset[Any], sampler: Sampler[Tensor], *, num_workers: int, pin_memory: bool) -> None:
        self.dataset = dataset
        self._sampler = sampler
        self._num_workers = num_workers
        self._pin_memory = pin_memory

    def __len__(self) -> int:
        return len(self._sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Batch]:
        if self._num_workers == 0 and not self._pin_memory:  # a DataLoader would add a third to the time
            yield from map(self.dataset.__getitem__, self._sampler)
            return
        yield from DataLoader(
            self.dataset,
            sampler=self._sampler,
            batch_size=None,
            num_workers=self._num_workers,
            pin_memory=self._pin_memory,
            # Without a generator of its own it would draw the workers' seed from the global one.
            generator=torch.Generator().manual_seed(0),
        )


class TrainingLoader(BatchLoader):
    """A BatchLoader that knows how many batches of the epoch it has handed out and can begin after them.

    Lightning saves ``state_dict`` in its checkpoints and restores it on resume.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        sampler: TrainingBatches | EvaluationBatches,
        *,
        num_workers: int,
        pin_memory: bool,
    ) -> None:
        super().__init__(dataset, sampler, num_workers=num_workers, pin_memory=pin_memory)
        self._batches = sampler
        if isinstance(sampler, TrainingBatches):
            self.sampler = sampler  # where Lightning looks for what to tell the epoch
        self._handed_out = 0

    def __iter__(self) -> Iterator[Batch]:
        self._handed_out = self._batches.skip
        for batch in super().__iter__():
            self._handed_out += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        return {"handed_out": self._handed_out}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._batches.skip = state["handed_out"] % len(self)
