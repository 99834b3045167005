"""Images in memory-mapped files, for more of them than fit into memory."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from digits.classes import classes_of
from digits.data.images import DigitImages, Digits
from digits.data.sources.base import Source
from digits.errors import UserError

_BYTES = 28 * 28
_SAMPLES_IN_FINGERPRINT = 1000
_MOST_CLASSES = 100_000


class MemmapSource(Source):
    """``train-images.npy`` and ``train-labels.npy`` in ``data_dir``, and ``test-images.npy`` and ``test-labels.npy``.

    Images are ``(N, 28, 28)`` uint8, ink high, labels ``(N,)`` integers, as ``numpy.save`` writes. Either pair may be
    missing, and so may the labels of the test images. The classes are numbers: the ten digits, or 0 to the highest
    label. scripts/make_memmap.py makes such a folder.
    """

    name = "memmap"

    def load(self, data_dir: Path) -> Digits:
        parts = {part: _open(data_dir, part) for part in ("train", "test")}
        if not any(parts.values()):
            raise UserError(
                f"neither train-images.npy nor test-images.npy is in {data_dir}; set --data.data_dir to their folder, "
                "or make one with scripts/make_memmap.py"
            )
        return Digits(
            source=self.name,
            train=parts["train"],
            test=parts["test"],
            fingerprint={f"{part}-images.npy": _digest(images) for part, images in parts.items() if images is not None},
            class_names=_class_names(parts),
        )


@dataclass(frozen=True)
class MappedImages(DigitImages):
    """Images that stay in their file, read as they are asked for; ``labels`` is ``(N,)`` uint8, or int64 where
    the file's are of another kind.

    A batch is read, not mapped: one access to a mapping may bring in two megabytes, which would count as the process's
    own memory, until the whole file did.
    """

    file: BinaryIO = field(kw_only=True)
    first: int = field(kw_only=True)
    """Where in the file the images begin."""

    def _read(self, rows: Tensor) -> Tensor:
        places = (self.first + _BYTES * rows).tolist()
        content = b"".join(map(os.pread, repeat(self.file.fileno()), repeat(_BYTES), places))
        return torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, 1, 28, 28)


def _class_names(parts: dict[str, MappedImages | None]) -> tuple[str, ...] | None:
    highest = [int(part.labels.max()) for part in parts.values() if part is not None and part.labels is not None]
    if not highest:
        return None
    if max(highest) >= _MOST_CLASSES:
        raise UserError(
            f"the highest label is {max(highest)}; labels count the classes from 0, {_MOST_CLASSES:,} at most"
        )
    return classes_of(map(str, range(max(highest) + 1)))


def _open(data_dir: Path, part: str) -> MappedImages | None:
    path, labels_path = data_dir / f"{part}-images.npy", data_dir / f"{part}-labels.npy"
    if not path.is_file():
        return None
    images = _map(path, (28, 28))
    labels = _map(labels_path, ()) if labels_path.is_file() else None
    if labels is not None and len(labels) != len(images):
        raise UserError(f"{path} holds {len(images)} images and {labels_path} {len(labels)} labels")
    # Copied on write, which never happens; torch knows no tensors that cannot be written to.
    return MappedImages(
        torch.from_numpy(images).unsqueeze(1),
        None if labels is None else torch.from_numpy(np.array(labels, None if labels.dtype == np.uint8 else np.int64)),
        file=path.open("rb"),
        first=images.offset,
    )


def _map(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """An array of images, or of labels, whose ``shape`` is empty."""
    try:
        array = np.load(path, mmap_mode="c")
    except OSError:
        raise
    except Exception as error:  # numpy takes the head for Python, and raises what its tokenizer does
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not a file that numpy.save wrote ({reason})") from None
    if not isinstance(array, np.ndarray):
        raise UserError(f"{path} is an archive, as numpy.savez writes; save its array alone with numpy.save")
    fits = array.dtype == np.uint8 if shape else array.dtype.kind in "iu"
    if not fits or array.ndim != 1 + len(shape) or array.shape[1:] != shape or len(array) == 0:
        expected = "×".join(["N", *map(str, shape)])
        found = "×".join(map(str, array.shape))
        raise UserError(f"{path} holds {found} {array.dtype}; it must be {expected} {'uint8' if shape else 'integers'}")
    if not array.flags.c_contiguous:
        raise UserError(
            f"{path} is in Fortran's order, the first index fastest; save it again as "
            "numpy.save(path, numpy.ascontiguousarray(images))"
        )
    assert isinstance(array, np.memmap)
    return array


def _digest(images: MappedImages) -> str:
    """MD5 over the number of images, a thousand of them and all labels: all images could take minutes."""
    rows = torch.linspace(0, len(images) - 1, min(_SAMPLES_IN_FINGERPRINT, len(images)), dtype=torch.float64).long()
    digest = hashlib.md5(str(len(images)).encode(), usedforsecurity=False)
    digest.update(images.gather(rows)[0].numpy().tobytes())
    if images.labels is not None:
        digest.update(images.labels.numpy().tobytes())
    return digest.hexdigest()
