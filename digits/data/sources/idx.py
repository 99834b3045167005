"""MNIST and its siblings, from the IDX files that their authors published.

The files are the ones torchvision knows: same names, same folders, same MD5 sums and mirrors. They are read straight
from the compressed archives, because a data folder may be read-only (torchvision insists on unpacking beside them).
"""

from __future__ import annotations

import gzip
import io
import string
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torchvision.datasets as published

from digits.classes import TEN_DIGITS
from digits.data.download import download, md5_of
from digits.data.images import DigitImages, Digits
from digits.data.sources.base import DataNotFoundError, Source


@dataclass(frozen=True)
class _PublishedFile:
    name: str
    urls: tuple[str, ...]
    md5: str


@dataclass(frozen=True)
class IdxSource(Source):
    """A data set published as four IDX files: training and test images, training and test labels."""

    name: str
    folder: str
    publication: Callable[[], list[_PublishedFile]]
    """The files to have; a function, so that torchvision's tables are read when they are needed."""
    parts: tuple[str, str, str, str]
    """The names, inside the archives, of training images and labels and test images and labels."""
    class_names: tuple[str, ...] = TEN_DIGITS
    first_label: int = 0
    transposed: bool = False

    def prepare(self, data_dir: Path) -> None:
        problems = []
        for file in self.publication():
            path = data_dir / self.folder / "raw" / file.name
            state = _state(path, file.md5)
            if state == "good":
                continue
            if state == "damaged":
                warnings.warn(
                    f"{path} is damaged (its MD5 sum is not {file.md5}) and will not be used; fetching it again",
                    stacklevel=2,
                )
            try:
                download(file.urls, path, file.md5)
            except OSError as error:
                problems.append(str(error))
                break  # the mirrors serve all files or none: do not wait for three more time-outs
        if problems:
            raise DataNotFoundError(f"{self._missing(data_dir)} Downloading failed ({problems[0]}).")

    def load(self, data_dir: Path) -> Digits:
        files = self.publication()
        folder = data_dir / self.folder / "raw"
        if any(_state(folder / file.name, file.md5) != "good" for file in files):
            raise DataNotFoundError(self._missing(data_dir))
        read = partial(_read_part, folder)
        train_images, train_labels, test_images, test_labels = map(read, self.parts)
        return Digits(
            source=self.name,
            train=self._images(train_images, train_labels),
            test=self._images(test_images, test_labels),
            fingerprint={file.name: file.md5 for file in files},
            class_names=self.class_names,
        )

    def _images(self, images: np.ndarray, labels: np.ndarray) -> DigitImages:
        if self.transposed:
            images = images.transpose(0, 2, 1)
        if labels.ndim == 2:  # QMNIST's rows begin with the class and go on about the writer
            labels = labels[:, 0]
        places = torch.from_numpy(labels.astype(np.int64) - self.first_label)
        return DigitImages(torch.from_numpy(np.ascontiguousarray(images)).unsqueeze(1), places)

    def _missing(self, data_dir: Path) -> str:
        folder = data_dir / self.folder / "raw"
        states = [(file, _state(folder / file.name, file.md5)) for file in self.publication()]
        listed = ", ".join(f"{file.name} ({state}; MD5 {file.md5})" for file, state in states if state != "good")
        remedy = "Put these files there, or set --data.data_dir."
        return f"the data set {self.name!r} is not complete in {folder}: {listed}. {remedy}"


def _state(path: Path, md5: str) -> str:
    if not path.is_file():
        return "missing"
    return "good" if md5_of(path) == md5 else "damaged"


def _read_part(folder: Path, part: str) -> np.ndarray:
    archive, _, member = part.partition("!")
    if member:
        with zipfile.ZipFile(folder / archive) as files:
            return read_idx(gzip.decompress(files.read(member)))
    return read_idx(gzip.decompress((folder / archive).read_bytes()))


def read_idx(content: bytes) -> np.ndarray:
    """Decode an IDX file: two zero bytes, a type code, the number of dimensions, their sizes, then the data."""
    stream = io.BytesIO(content)
    _, _, code, dimensions = stream.read(4)
    dtype = np.dtype({0x08: "u1", 0x0C: ">i4"}[code])
    shape = np.frombuffer(stream.read(4 * dimensions), ">u4")
    return np.frombuffer(stream.read(), dtype).reshape(shape).copy()


def _mirrored(dataset: type[published.MNIST]) -> list[_PublishedFile]:
    return [
        _PublishedFile(name, tuple(mirror + name for mirror in dataset.mirrors), md5) for name, md5 in dataset.resources
    ]


def _qmnist() -> list[_PublishedFile]:
    files = [*published.QMNIST.resources["train"], *published.QMNIST.resources["test"]]
    return [_PublishedFile(url.rpartition("/")[2], (url,), md5) for url, md5 in files]


def _emnist() -> list[_PublishedFile]:
    return [_PublishedFile("gzip.zip", (published.EMNIST.url,), published.EMNIST.md5)]


_CLASSIC_PARTS = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_QMNIST_PARTS = (
    "qmnist-train-images-idx3-ubyte.gz",
    "qmnist-train-labels-idx2-int.gz",
    "qmnist-test-images-idx3-ubyte.gz",
    "qmnist-test-labels-idx2-int.gz",
)


def _emnist_source(split: str, class_names: tuple[str, ...] = TEN_DIGITS, first_label: int = 0) -> IdxSource:
    """One of EMNIST's splits (Cohen et al. 2017), whose images lie on their side."""
    train_images, train_labels, test_images, test_labels = (
        f"gzip.zip!gzip/emnist-{split}-{part}-ubyte.gz"
        for part in ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
    )
    parts = (train_images, train_labels, test_images, test_labels)
    return IdxSource(f"emnist-{split}", "EMNIST", _emnist, parts, class_names, first_label, transposed=True)


_MERGED = tuple(string.digits + string.ascii_uppercase + "abdefghnqrt")
"""Capitals and small letters that look alike are one class."""

IDX_SOURCES = (
    IdxSource("mnist", "MNIST", partial(_mirrored, published.MNIST), _CLASSIC_PARTS),
    IdxSource(
        "fashion",
        "FashionMNIST",
        partial(_mirrored, published.FashionMNIST),
        _CLASSIC_PARTS,
        tuple(published.FashionMNIST.classes),
    ),
    IdxSource(
        "kmnist", "KMNIST", partial(_mirrored, published.KMNIST), _CLASSIC_PARTS, tuple(published.KMNIST.classes)
    ),
    IdxSource("qmnist", "QMNIST", _qmnist, _QMNIST_PARTS),
    _emnist_source("digits"),
    _emnist_source("letters", tuple(string.ascii_lowercase), first_label=1),
    _emnist_source("balanced", _MERGED),
    _emnist_source("bymerge", _MERGED),
    _emnist_source("byclass", tuple(string.digits + string.ascii_uppercase + string.ascii_lowercase)),
)
