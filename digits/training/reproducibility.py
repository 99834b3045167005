"""Randomness inside the model, made a function of the place in the run."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, IterableDataset

from digits.data import DigitsDataModule, SeededLoader
from digits.seeding import derive_seed, run_seed

_MODEL = 1  # with the fourth integer that it makes, no key of these draws is one of the augmentation's or the order's


class SeedEachBatch(Callback):
    """Seeds torch before every training batch from (run's seed, batch, process).

    Dropout and whatever else the model draws then depend on where the run is and not on how it got there, so a
    resumed run draws what an uninterrupted one would, and no state of a random generator need be saved. The seed
    itself is the run's: it comes from the checkpoint, whatever the resuming process was seeded with.

    So do the batches of a data module that is not ours, where its DataLoader has a length and one process trains; of
    others a resume says that it is not exact.
    """

    def __init__(self) -> None:
        self._seed = run_seed()
        self._first: int | None = None
        self._is_resumed = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        data = trainer.datamodule
        if stage != "fit" or data is None or isinstance(data, DigitsDataModule):
            return
        make = data.train_dataloader
        # Elsewhere Lightning puts a sampler of its own in.
        can_seed = trainer.world_size == 1 and trainer.overfit_batches == 0

        def train_dataloader() -> Any:
            loader = make()
            if can_seed and isinstance(loader, DataLoader) and not isinstance(loader.dataset, IterableDataset):
                return SeededLoader(loader, lambda: self._seed)
            if self._is_resumed and not hasattr(loader, "load_state_dict"):
                warnings.warn(
                    f"the resumed run will not be what the uninterrupted one had been: place and order of the batches "
                    f"of {type(data).__name__} are kept only where it gives one DataLoader that has a length, in one "
                    "process and without overfit_batches, or a loader with state_dict and load_state_dict",
                    stacklevel=2,
                )
            return loader

        data.train_dataloader = train_dataloader

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._first = derive_seed(self._seed, 0, trainer.global_rank, _MODEL)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        assert self._first is not None
        # Counting on from one hashed seed takes a tenth of hashing each.
        seed = (self._first + trainer.fit_loop.total_batch_idx) % 2**63
        # Not torch.manual_seed, which goes through every kind of device there could be: 0.2 ms.
        torch.default_generator.manual_seed(seed)
        if pl_module.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif pl_module.device.type == "mps":
            torch.mps.manual_seed(seed)

    def state_dict(self) -> dict[str, Any]:
        return {"seed": self._seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seed = state_dict["seed"]
        self._is_resumed = True
