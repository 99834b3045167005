"""A folder of image files, one subfolder a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from sklearn.model_selection import train_test_split

from digits.data.images import DigitImages, Digits, digest
from digits.data.sources.base import Source
from digits.errors import UserError
from digits.pictures import SUFFIXES, is_picture_name, load_grey

_CLASSES = [str(digit) for digit in range(10)]
_TEST_FRACTION = 0.2


class FolderSource(Source):
    """Images under ``data_dir``, in one of three layouts.

    ``train/0 … train/9`` and ``test/0 … test/9``; or ``0 … 9`` alone, of which a stratified fifth is held out as the
    test set (a constant of this source, not of a run); or images without class folders, which can only be predicted.
    """

    name = "folder"

    def load(self, data_dir: Path) -> Digits:
        if not data_dir.is_dir():
            what = "is not a folder" if data_dir.exists() else "does not exist"
            raise UserError(f"the folder {data_dir} {what}; set --data.data_dir to your images")
        if (data_dir / "train").is_dir():
            train = _read_classes(data_dir / "train")
            test = _read_folder(data_dir / "test") if (data_dir / "test").is_dir() else None
        elif any((data_dir / digit).is_dir() for digit in _CLASSES):
            train, test = _hold_out(_read_classes(data_dir))
        else:
            train, test = None, _read_folder(data_dir)
        return Digits(self.name, train, test, {str(data_dir): digest(train, test)})


def _hold_out(images: DigitImages) -> tuple[DigitImages, DigitImages]:
    assert images.labels is not None
    assert images.names is not None
    try:
        train, test = train_test_split(
            np.arange(len(images)), test_size=_TEST_FRACTION, stratify=images.labels, random_state=0
        )
    except ValueError as error:
        raise UserError(f"too few images to hold out a test set ({error}); make train/ and test/ folders") from None
    first, second = (
        DigitImages(images.images[part], images.labels[part], tuple(images.names[i] for i in part))
        for part in (train, test)
    )
    return first, second


def _read_folder(folder: Path) -> DigitImages:
    if any((folder / digit).is_dir() for digit in _CLASSES):
        return _read_classes(folder)
    files = _image_files(folder)
    if not files:
        raise UserError(f"{folder} holds neither class folders 0 … 9 nor images ({', '.join(SUFFIXES)})")
    return DigitImages(_read_images(files), None, tuple(file.name for file in files))


def _read_classes(folder: Path) -> DigitImages:
    files, labels = [], []
    for digit in _CLASSES:
        if not (folder / digit).is_dir():
            raise UserError(f"the class folder {folder / digit} is missing; each of 0 … 9 must be there")
        found = _image_files(folder / digit)
        if not found:
            raise UserError(f"the class folder {folder / digit} is empty; put images of the digit {digit} there")
        files += found
        labels += [int(digit)] * len(found)
    names = tuple(str(file.relative_to(folder)) for file in files)
    return DigitImages(_read_images(files), torch.tensor(labels), names)


def _image_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_picture_name(path))


def _read_images(files: list[Path]) -> torch.Tensor:
    return torch.from_numpy(np.stack([_read_image(file) for file in files])).unsqueeze(1)


def _read_image(path: Path) -> np.ndarray:
    """One image as ``(28, 28)`` uint8, ink high: made grey, inverted where its border is bright, padded, resized."""
    grey = (load_grey(path) * 255).round().astype(np.uint8)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if np.median(border) > 127:
        grey = 255 - grey
    if grey.shape != (28, 28):
        grey = np.asarray(ImageOps.pad(Image.fromarray(grey), (28, 28), Image.Resampling.LANCZOS, color=0))
    return grey
