"""What every source of digits delivers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class DigitImages:
    """A set of digit images in memory.

    ``images`` is ``(N, 1, 28, 28)`` uint8, ink high and paper 0; ``labels`` is ``(N,)`` int64 in 0…9, or None where
    nobody says what the images show. ``names`` gives the file of each image where there are files.
    """

    images: Tensor
    labels: Tensor | None
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images ``(B, 1, 28, 28)`` uint8 and labels ``(B,)`` int64, -1 where unknown, of ``rows`` ``(B,)``."""
        labels = torch.full((len(rows),), -1) if self.labels is None else self.labels.index_select(0, rows).long()
        return self._read(rows), labels

    def _read(self, rows: Tensor) -> Tensor:
        # index_select gathers uint8 images ten times as fast as images[rows] does.
        return self.images.index_select(0, rows)


@dataclass(frozen=True)
class Digits:
    """What one source holds: a training set, a test set (either may be missing), and what identifies the data.

    ``fingerprint`` maps each file to its MD5 sum, so that a result can name exactly what it was computed from.
    """

    source: str
    train: DigitImages | None
    test: DigitImages | None
    fingerprint: dict[str, str] = field(default_factory=dict)


class Batch(NamedTuple):
    """One batch: images ``(B, 1, 28, 28)``, labels ``(B,)`` int64 (-1 where unknown), and each sample's index ``(B,)``.

    Images are uint8 in 0…255 as they leave the loader and float32 in ``[0, 1]`` when the model sees them.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
