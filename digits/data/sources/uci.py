"""UCI's optical-recognition digits, which travel inside scikit-learn: real handwriting that needs no network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional as F

from digits.classes import TEN_DIGITS
from digits.data.images import DigitImages, Digits
from digits.data.sources.base import Source

_TEST_SIZE = 360
_BRIGHTEST = 16.0


class UciSource(Source):
    """1,797 digits of 8×8 pixels, enlarged to MNIST's frame.

    scikit-learn ships only one of UCI's two files, so 360 stratified images are held out as the test set; the split
    is a constant of this source, not of a run.
    """

    name = "uci"
    class_names = TEN_DIGITS

    def load(self, data_dir: Path) -> Digits:
        bundle = load_digits()
        images = enlarge(torch.from_numpy(bundle.images).float() / _BRIGHTEST)
        labels = torch.from_numpy(bundle.target.astype(np.int64))
        train, test = train_test_split(
            np.arange(len(labels)), test_size=_TEST_SIZE, stratify=bundle.target, random_state=0
        )
        return Digits(
            source=self.name,
            train=DigitImages(images[train], labels[train]),
            test=DigitImages(images[test], labels[test]),
            fingerprint={"load_digits": hashlib.md5(bundle.images.tobytes(), usedforsecurity=False).hexdigest()},
        )


def enlarge(images: Tensor) -> Tensor:
    """Turn ``(N, 8, 8)`` float images in ``[0, 1]`` into ``(N, 1, 28, 28)`` uint8, framed as MNIST frames its digits.

    MNIST scales a digit into 20×20 pixels and puts its centre of mass at the middle of 28×28
    (LeCun et al. 1998, section III.A); the shift is to the nearest pixel.
    """
    large = F.interpolate(images.unsqueeze(1), size=20, mode="bicubic", align_corners=False).clamp(0, 1)
    framed = F.pad(large, (4, 4, 4, 4))
    positions = torch.arange(28.0)
    mass = framed.sum(dim=(1, 2, 3))
    row_offsets = (13.5 - (framed.sum(dim=(1, 3)) @ positions) / mass).round().clamp(-4, 4).long()
    column_offsets = (13.5 - (framed.sum(dim=(1, 2)) @ positions) / mass).round().clamp(-4, 4).long()
    centred = [
        torch.roll(image, (int(row), int(column)), dims=(1, 2))
        for image, row, column in zip(framed, row_offsets, column_offsets, strict=True)
    ]
    return (torch.stack(centred) * 255).round().to(torch.uint8)
