"""Checkpoints of trained recognizers: read without running code from them, and made into models again."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from digits.errors import UserError
from digits.models.base import DigitClassifier
from digits.models.families import is_plain
from digits.models.weights import check_numbers, load_network


def read_verified(path: Path) -> Any:
    """Read a file that torch saved, on the CPU, checking every byte and running no code from it.

    Raises UserError for a file that is torn, altered or not torch's.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch itself does not check the sums that its files carry
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise zipfile.BadZipFile("it would grow when unpacked, and torch packs nothing")
            altered = archive.testzip()
        if altered is not None:
            raise zipfile.BadZipFile(altered)
        return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except FileNotFoundError:
        raise UserError(f"the checkpoint {path} does not exist") from None
    except Exception:  # torn files make zipfile and torch raise every kind
        raise UserError(f"{path} is damaged or not a checkpoint; give one that `python -m digits fit` wrote") from None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint that ``fit`` wrote, without running any code from it.

    Its ``digits_config`` is the configuration it was trained with, ``hyper_parameters`` what builds its network, and
    ``state_dict`` the weights. Raises UserError for a file that is damaged or not ours.
    """
    checkpoint = read_verified(path)
    if not isinstance(checkpoint, dict) or "digits_config" not in checkpoint:
        raise UserError(f"{path} is not a checkpoint of digits; give one that `python -m digits fit` wrote")
    with explained(path):
        config = checkpoint["digits_config"]
        if not isinstance(config, dict) or not is_plain(config) or not isinstance(config.get("model"), dict):
            raise UserError("its digits_config is no configuration")
        check_numbers(checkpoint.get("state_dict"))
    return checkpoint


def load_model(path: Path) -> DigitClassifier:
    """The trained model in a checkpoint, on the CPU, ready to answer.

    Its class is one of ours or one that this program has imported. Raises UserError where it cannot be read.
    """
    checkpoint = read_checkpoint(path)
    with explained(path):
        class_path = checkpoint["digits_config"]["model"].get("class_path")
        return load_network(class_path, checkpoint.get("hyper_parameters"), checkpoint["state_dict"])


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Put the name of the file before what is wrong with it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from None


def describe_network(model: DigitClassifier) -> dict[str, Any]:
    """What ``build_network`` needs to build the like again, as plain values."""
    family = type(model)
    return {"class_path": f"{family.__module__}.{family.__qualname__}", "hyper_parameters": dict(model.hparams)}
