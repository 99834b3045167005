"""CSV files in the layout of Kaggle's digit-recognizer competition."""

from __future__ import annotations

import codecs
import csv
import unicodedata
import warnings
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import torch

from digits.classes import classes_of
from digits.data.download import md5_of
from digits.data.images import DigitImages, Digits
from digits.data.sources.base import Source
from digits.errors import UserError

_PIXELS = [f"pixel{number}" for number in range(784)]


class CsvSource(Source):
    """``train.csv`` (``label,pixel0,…,pixel783``) and ``test.csv`` (the same, ``label`` optional) in ``data_dir``.

    A label is any text; what train.csv says makes the classes.
    """

    name = "csv"

    def load(self, data_dir: Path) -> Digits:
        paths = [path for path in (data_dir / "train.csv", data_dir / "test.csv") if path.is_file()]
        if not paths:
            raise UserError(
                f"neither train.csv nor test.csv is in {data_dir}; set --data.data_dir to the folder that holds them"
            )
        read = {path.stem: _read_csv(path) for path in paths}
        labels = next((rows.labels for rows in read.values() if rows.labels is not None), None)
        class_names = None if labels is None else classes_of(labels)
        parts = {path.stem: _with_classes(read[path.stem], class_names, path) for path in paths}
        return Digits(
            source=self.name,
            train=parts.get("train"),
            test=parts.get("test"),
            fingerprint={path.name: md5_of(path) for path in paths},
            class_names=class_names,
        )


class _Rows(NamedTuple):
    images: torch.Tensor
    labels: list[str] | None
    """The different labels, in the order in which they first occur."""
    codes: np.ndarray
    """For each image, which of them it has."""


def _with_classes(rows: _Rows, class_names: tuple[str, ...] | None, path: Path) -> DigitImages:
    if rows.labels is None or class_names is None:
        return DigitImages(rows.images, None)
    unknown = sorted(set(rows.labels) - set(class_names))
    if unknown:
        raise UserError(f"{path} has the label {unknown[0]!r}, which train.csv has not")
    places = np.array([class_names.index(label) for label in rows.labels])
    return DigitImages(rows.images, torch.from_numpy(places[rows.codes]))


def _read_csv(path: Path) -> _Rows:
    """Read one file, in UTF-8 or UTF-16 and quoted or not.

    Raises UserError naming the first line that is not a label and 784 pixels in 0…255.
    """
    with _open(path) as file:
        header = [column.strip() for column in next(csv.reader(file), [])]
        labelled = header[:1] == ["label"]
        if header[int(labelled) :] != _PIXELS:
            raise UserError(f"{path}, line 1: {_first_bad_column(header)}")
        known: dict[str, int] = {}

        def code(label: str) -> int:
            return known.setdefault(unicodedata.normalize("NFC", label.strip()), len(known))

        converters: dict[int | str, Callable[[str], int]] = {0: code} if labelled else {}
        try:
            with warnings.catch_warnings(action="ignore"):  # about a file without rows, which is named below
                rows = np.loadtxt(
                    file,
                    delimiter=",",
                    dtype=np.int16,
                    ndmin=2,
                    comments=None,
                    quotechar='"',
                    converters=converters,
                    encoding=None,
                )
        except ValueError:
            raise UserError(_first_bad_line(path, len(header), labelled)) from None
    if rows.size == 0:
        raise UserError(f"{path} holds no images")
    pixels = rows[:, int(labelled) :]
    if rows.shape[1] != len(header) or pixels.min() < 0 or pixels.max() > 255 or any(map(_is_no_label, known)):
        raise UserError(_first_bad_line(path, len(header), labelled))
    images = torch.from_numpy(pixels.astype(np.uint8)).view(-1, 1, 28, 28)
    return _Rows(images, list(known) if labelled else None, rows[:, 0])


def _is_no_label(text: str) -> bool:
    return not text or "\ufffd" in text


def _open(path: Path) -> TextIO:
    """What cannot be decoded becomes "\ufffd", which is no number and is named as that."""
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif 0 in start:
        encoding = "utf-16-be" if start[0] == 0 else "utf-16-le"
    else:
        encoding = "utf-8-sig"
    return path.open(encoding=encoding, errors="replace")


def _first_bad_column(header: list[str]) -> str:
    if not any(header):
        return "the file is empty"
    expected = ["label", *_PIXELS] if header[0] == "label" else _PIXELS
    number, (wanted, found) = next(
        (number, names) for number, names in enumerate(zip_longest(expected, header), 1) if names[0] != names[1]
    )
    shown = "missing" if found is None else f"{found[:20]!r}"
    columns = "[label,]pixel0,…,pixel783, with commas between"
    return f"column {number} is {shown}, not {wanted or 'there'}; the columns must be {columns}"


def _first_bad_line(path: Path, columns: int, labelled: bool) -> str:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            row = next(csv.reader([line]), [])  # each by itself: an open quote would swallow all the rest
            if number == 1 or not row:
                continue
            where = f"{path}, line {number}"
            if len(row) != columns:
                return f"{where}: expected {columns} values, found {len(row)}"
            for column, value in enumerate(row):
                text = value.strip()
                if labelled and column == 0:
                    if _is_no_label(text):
                        return f"{where}: {value[:20]!r} is not a label (any text in UTF-8)"
                elif not (text.isascii() and text.isdecimal()) or int(text) > 255:
                    return f"{where}: {value[:20]!r} is not a pixel (a whole number in 0…255)"
    return f"{path} cannot be read as rows of whole numbers"
