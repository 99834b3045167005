"""Which checkpoints a run keeps."""

from __future__ import annotations

from pathlib import Path

from pytorch_lightning.callbacks import ModelCheckpoint


def best_checkpoint(folder: Path) -> ModelCheckpoint:
    """Keeps ``best.ckpt``: the weights of the highest validation accuracy so far, the earliest of equals."""
    return ModelCheckpoint(
        dirpath=folder, filename="best", monitor="val/accuracy", mode="max", enable_version_counter=False
    )


def last_checkpoint(folder: Path) -> ModelCheckpoint:
    """Keeps ``last.ckpt`` up to date at the end of every epoch.

    A callback of its own, because ModelCheckpoint's ``save_last`` writes only when a new best is saved.
    """
    return ModelCheckpoint(
        dirpath=folder, filename="last", monitor=None, save_on_train_epoch_end=True, enable_version_counter=False
    )
