"""CSV files in the layout of Kaggle's digit-recognizer competition."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import numpy as np
import torch

from digits.data.download import md5_of
from digits.data.images import DigitImages, Digits
from digits.data.sources.base import DataNotFoundError, Source
from digits.errors import UserError

_PIXELS = [f"pixel{number}" for number in range(784)]


class CsvSource(Source):
    """``train.csv`` (``label,pixel0,…,pixel783``) and ``test.csv`` (the same, ``label`` optional) in ``data_dir``."""

    name = "csv"

    def load(self, data_dir: Path) -> Digits:
        paths = [path for path in (data_dir / "train.csv", data_dir / "test.csv") if path.is_file()]
        if not paths:
            raise DataNotFoundError(
                f"neither train.csv nor test.csv is in {data_dir}; set --data.data_dir to the folder that holds them"
            )
        read = {path.stem: read_csv(path) for path in paths}
        return Digits(
            source=self.name,
            train=read.get("train"),
            test=read.get("test"),
            fingerprint={path.name: md5_of(path) for path in paths},
        )


def read_csv(path: Path) -> DigitImages:
    """Read one file; raises UserError naming the first line that is not a label in 0…9 and 784 pixels in 0…255."""
    with path.open(newline="") as file:
        header = [column.strip() for column in file.readline().split(",")]
        labelled = header[:1] == ["label"]
        if header[int(labelled) :] != _PIXELS:
            raise UserError(f"{path}, line 1: the columns are not [label,]pixel0,…,pixel783")
        try:
            with warnings.catch_warnings(action="ignore"):  # about a file without rows, which is named below
                rows = np.loadtxt(file, delimiter=",", dtype=np.int16, ndmin=2)
        except ValueError:
            raise UserError(_first_bad_line(path, len(header), labelled)) from None
    if rows.size == 0:
        raise UserError(f"{path} holds no images")
    pixels = rows[:, int(labelled) :]
    labels = rows[:, 0] if labelled else np.zeros(1)
    if rows.shape[1] != len(header) or pixels.min() < 0 or pixels.max() > 255 or labels.min() < 0 or labels.max() > 9:
        raise UserError(_first_bad_line(path, len(header), labelled))
    return DigitImages(
        torch.from_numpy(pixels.astype(np.uint8)).view(-1, 1, 28, 28),
        torch.from_numpy(labels.astype(np.int64)) if labelled else None,
    )


def _first_bad_line(path: Path, columns: int, labelled: bool) -> str:
    with path.open(newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if row and len(row) != columns:
                return f"{where}: expected {columns} values, found {len(row)}"
            for column, value in enumerate(row):
                name, highest = ("label", 9) if labelled and column == 0 else ("pixel", 255)
                if not value.strip().isdecimal() or int(value) > highest:
                    return f"{where}: {value!r} is not a {name} (a whole number in 0…{highest})"
    raise AssertionError(f"{path} was rejected but every line of it is good")
