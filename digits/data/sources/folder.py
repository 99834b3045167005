"""A folder of image files, one subfolder a class."""

from __future__ import annotations

import unicodedata
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from tqdm import tqdm

from digits.classes import classes_of, describe_classes
from digits.data.images import DigitImages, Digits, digest
from digits.data.sources.base import Source
from digits.errors import UserError
from digits.pictures import SUFFIXES, is_picture_name, load_grey
from digits.strokes import single_character

_NO_CLASSES = {"__MACOSX"}
"""Folders that archivers leave behind."""
_TEST_FRACTION = 0.2


class FolderSource(Source):
    """Images under ``data_dir``, in one of three layouts.

    A folder of images for each class, named as the class, in ``train/`` and ``test/``; or without these two, when a
    stratified fifth is held out as the test set (a constant of this source, not of a run); or images without class
    folders, which can only be predicted. Pictures of 28×28 pixels stay as they are, ink light or dark; of others what
    is written is cut out, scaled and centred as MNIST's digits are. Without any ink they are blank.
    """

    name = "folder"

    def load(self, data_dir: Path) -> Digits:
        if not data_dir.is_dir():
            what = "is not a folder" if data_dir.exists() else "does not exist"
            raise UserError(f"the folder {data_dir} {what}; set --data.data_dir to your images")
        class_names = None
        if any((data_dir / part).is_dir() for part in ("train", "test")):
            found = {part: _read_folder(data_dir / part) for part in ("train", "test") if (data_dir / part).is_dir()}
            train, test = (found.get(part, (None, None))[0] for part in ("train", "test"))
            named = {part: names for part, (_, names) in found.items() if names is not None}
            class_names = next(iter(named.values()), None)
            if any(names != class_names for names in named.values()):
                raise UserError(
                    f"{data_dir / 'train'} has {describe_classes(named['train'])}, {data_dir / 'test'} "
                    f"{describe_classes(named['test'])}; make them the same"
                )
        else:
            images, class_names = _read_folder(data_dir)
            train, test = (None, images) if class_names is None else _hold_out(images)
        return Digits(self.name, train, test, {str(data_dir): digest(train, test)}, class_names)


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


def _read_folder(folder: Path) -> tuple[DigitImages, tuple[str, ...] | None]:
    """The images in a folder, and the names of the classes that its folders stand for, if there are any."""
    folders = [
        path for path in folder.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in _NO_CLASSES
    ]
    loose, by_folder = _image_files(folder), {path: _image_files(path) for path in folders}
    if any(by_folder.values()):
        return _read_classes(folder, by_folder)
    if not loose:
        raise UserError(f"{folder} holds neither folders of images, one a class, nor images ({', '.join(SUFFIXES)})")
    return DigitImages(_read_images(loose), None, tuple(file.name for file in loose)), None


def _read_classes(folder: Path, by_folder: dict[Path, list[Path]]) -> tuple[DigitImages, tuple[str, ...]]:
    class_names = classes_of(path.name for path in by_folder)
    place_of = {path: class_names.index(unicodedata.normalize("NFC", path.name)) for path in by_folder}
    files, labels = [], []
    for path in sorted(by_folder, key=place_of.__getitem__):
        if not by_folder[path]:
            raise UserError(f"the class folder {path} is empty; put images of {path.name!r} there, or take it away")
        files += by_folder[path]
        labels += [place_of[path]] * len(by_folder[path])
    if len(by_folder) < len(class_names):
        missing = ", ".join(name for name in class_names if not (folder / name).is_dir())
        warnings.warn(f"{folder} has no images of {missing}", stacklevel=2)
    names = tuple(str(file.relative_to(folder)) for file in files)
    return DigitImages(_read_images(files), torch.tensor(labels), names), class_names


def _image_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_picture_name(path))


def _read_images(files: list[Path]) -> torch.Tensor:
    shown = tqdm(files, desc="reading pictures", disable=None, delay=2, leave=False)
    return torch.from_numpy(np.stack([_read_image(file) for file in shown])).unsqueeze(1)


def _read_image(path: Path) -> np.ndarray:
    """One image as ``(28, 28)`` uint8, ink high, as ``recognize`` will show such a picture to the network."""
    found = single_character(load_grey(path))
    if found is None:
        return np.zeros((28, 28), np.uint8)
    return (found[0] * 255).round().astype(np.uint8)
