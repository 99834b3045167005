"""Any DataLoader, made to give the same batches at the same place of a run, however the run got there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import DataLoader

from digits.seeding import derive_seed


class SeededLoader:
    """Iterates over a sized DataLoader, whose order and draws become a function of (seed, epoch, batch).

    Each batch is fetched with Python's, NumPy's and torch's global generators seeded, which are put back afterwards,
    and those that the loader and its sampler were given. A resumed run fetches the batches of the epoch that it has had
    once more and drops them, as their draws decide on those of the later ones where workers fetch. Lightning saves
    ``state_dict`` in its checkpoints.
    """

    def __init__(self, loader: DataLoader[Any], seed: Callable[[], int]) -> None:
        self._loader = loader
        self._seed = seed
        holders = (loader, loader.sampler, getattr(loader.batch_sampler, "sampler", None))
        found = [getattr(holder, "generator", None) for holder in holders]
        self._generators = [generator for generator in found if isinstance(generator, torch.Generator)]
        self._epoch = 0
        self._skip = 0
        self._handed_out = 0
        self.sampler = self
        """Lightning looks for it here to tell it the epoch."""

    def __len__(self) -> int:
        return len(self._loader)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration follows; Lightning calls this."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        skip, self._skip = self._skip, 0
        self._handed_out = skip
        with isolate_rng():
            self._seed_all(0)
            batches = iter(self._loader)
        for number in range(len(self._loader)):
            with isolate_rng():
                self._seed_all(number + 1)
                batch = next(batches)
            if number >= skip:
                self._handed_out += 1
                yield batch

    def _seed_all(self, number: int) -> None:
        seed = derive_seed(self._seed(), self._epoch, number)
        torch.manual_seed(seed)
        for generator in self._generators:
            generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)

    def state_dict(self) -> dict[str, Any]:
        return {"handed_out": self._handed_out}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._skip = state["handed_out"] % len(self)
