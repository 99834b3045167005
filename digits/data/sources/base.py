"""What a source of digits is."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path

from digits.data.images import Digits
from digits.errors import UserError
from digits.paths import expand


class DataNotFoundError(UserError):
    """The files of a source that downloads them are neither on disk nor to be had from its mirrors.

    Another source may stand in for it (``data.offline_source``); never for a user's own files, which are named wrongly
    when they are not found.
    """


def default_data_dir() -> Path:
    """Where files are looked for, and go, unless another place is named: $DIGITS_DATA_DIR, else data/."""
    return expand(os.environ.get("DIGITS_DATA_DIR") or "data")


class Source(ABC):
    """A place that digits come from; one object for each name that ``data.source`` accepts.

    A class of one's own, built without arguments, is chosen by its path, which becomes its ``name``: with
    ``--data.source mine.Letters`` and ::

        class Letters(Source):
            def load(self, data_dir):
                train = DigitImages(images, labels)  # (N, 1, 28, 28) uint8, ink high, and (N,) int64
                return Digits(self.name, train, test=None)
    """

    name: str
    class_names: tuple[str, ...] | None = None
    """The names of the classes, in the order of their labels; None where what ``load`` returns says them."""

    def prepare(self, data_dir: Path) -> None:  # noqa: B027 - most sources have nothing to fetch
        """Fetch what is missing. Called on one process of each machine; raises DataNotFoundError where it fails."""

    @abstractmethod
    def load(self, data_dir: Path) -> Digits:
        """Read the digits; raises UserError when files are unusable, and where they are missing what ``prepare`` does.

        An OSError is reported with the file that it names.
        """
