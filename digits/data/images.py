"""What every source of digits delivers."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from digits.classes import TEN_DIGITS
from digits.errors import UserError


@dataclass(frozen=True)
class DigitImages:
    """A set of digit images in memory.

    ``images`` is ``(N, 1, 28, 28)`` uint8, ink high and paper 0; ``labels`` is ``(N,)`` int64, each image's place among
    the class names, or None where nobody says what the images show. ``names`` gives the file of each image where there
    are files. Raises UserError for anything else.
    """

    images: Tensor
    labels: Tensor | None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.shape[1:] != (1, 28, 28):
            found = f"{tuple(self.images.shape)} {self.images.dtype}"
            raise UserError(f"images must be (N, 1, 28, 28) uint8, ink high and paper 0, not {found}")
        for what, there in (("labels", self.labels), ("names", self.names)):
            if there is not None and len(there) != len(self.images):
                raise UserError(f"there are {len(self.images)} images and {len(there)} {what}")
        if self.labels is not None and (self.labels.dtype.is_floating_point or self.labels.ndim != 1):
            raise UserError(f"labels must be (N,) integers, not {tuple(self.labels.shape)} {self.labels.dtype}")

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

    ``fingerprint`` maps each file to its MD5 sum, so that a result can name exactly what it was computed from; without
    one, the data module takes the MD5 sum of all images and labels. ``class_names`` are what the labels count, or None
    where no image has a label.
    """

    source: str
    train: DigitImages | None
    test: DigitImages | None
    fingerprint: dict[str, str] = field(default_factory=dict)
    class_names: tuple[str, ...] | None = TEN_DIGITS

    def __post_init__(self) -> None:
        count = len(self.class_names or ())
        for part in (self.train, self.test):
            labels = None if part is None else part.labels
            if labels is not None and len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < count:
                raise UserError(
                    f"{self.source} has labels {int(labels.min())} to {int(labels.max())} and {count} class names; "
                    "a label is the place of a name, from 0"
                )


def digest(*parts: DigitImages | None) -> str:
    """MD5 sum over all images and labels, in hexadecimal."""
    md5 = hashlib.md5(usedforsecurity=False)
    for part in parts:
        if part is not None:
            md5.update(part.images.numpy().tobytes())
            md5.update(b"" if part.labels is None else part.labels.numpy().tobytes())
    return md5.hexdigest()


class Batch(NamedTuple):
    """One batch: images ``(B, 1, 28, 28)``, labels ``(B,)`` int64 (-1 where unknown), and each sample's index ``(B,)``.

    Images are uint8 in 0…255 as they leave the loader and float32 in ``[0, 1]`` when the model sees them.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor


def as_batch(batch: Any, *, first: int = 0, step: int = 1, is_first: bool = False) -> Batch:
    """A Batch as it is; what another DataLoader gives, ``(x, y)`` or ``x`` alone, as a Batch.

    ``x`` is ``(B, 1, 28, 28)``, uint8 or floating in ``[0, 1]``, ink high, and ``y`` ``(B,)`` integers. The indices
    count from ``first`` in steps of ``step``. Raises UserError for anything else; of the first batch, floats beyond
    ``[0, 1]`` are warned of.
    """
    if isinstance(batch, Batch):
        return batch
    parts = list(batch) if isinstance(batch, tuple | list) else [batch]
    if len(parts) not in (1, 2) or not all(isinstance(part, Tensor) for part in parts):
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise UserError(f"a batch of the data loader is ({kinds}); it must be (images, labels), both tensors")
    images = parts[0]
    if images.shape[1:] != (1, 28, 28):
        raise UserError(f"the data loader's images are {tuple(images.shape)}; they must be (B, 1, 28, 28)")
    images = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    if is_first:
        low, high = float(images.min()), float(images.max())
        if low < 0 or high > 1:
            warnings.warn(
                f"the data loader's images lie in {low:.2f}…{high:.2f}; the model takes 0…1 and normalizes by itself: "
                "trained on these, it will read other pictures wrongly",
                stacklevel=2,
            )
    count = len(images)
    labels = parts[1] if len(parts) == 2 else torch.full((count,), -1, device=images.device)
    if labels.shape != (count,) or labels.dtype.is_floating_point:
        raise UserError(
            f"the data loader's labels are {tuple(labels.shape)} {labels.dtype}; they must be ({count},) integers"
        )
    indices = first + step * torch.arange(count, device=images.device)
    return Batch(images, labels.long(), indices)
