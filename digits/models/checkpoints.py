"""Checkpoints of trained recognizers: read without running code from them, and made into models again."""

from __future__ import annotations

import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from digits.errors import UserError
from digits.models.base import DigitClassifier


def read_verified(path: Path) -> Any:
    """Read a file that torch saved, on the CPU, checking every byte and running no code from it.

    Raises UserError for a file that is torn, altered or not torch's.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch itself does not check the sums that its files carry
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
    return checkpoint


def load_model(path: Path) -> DigitClassifier:
    """The trained model in a checkpoint, on the CPU, ready to answer; raises UserError where it cannot be read."""
    checkpoint = read_checkpoint(path)
    model = build_network(checkpoint["digits_config"]["model"]["class_path"], checkpoint["hyper_parameters"])
    model.load_state_dict(checkpoint["state_dict"])
    return model.eval()


def describe_network(model: DigitClassifier) -> dict[str, Any]:
    """What ``build_network`` needs to build the like again, as plain values."""
    family = type(model)
    return {"class_path": f"{family.__module__}.{family.__qualname__}", "hyper_parameters": dict(model.hparams)}


def build_network(class_path: str, hyper_parameters: dict[str, Any]) -> DigitClassifier:
    """A model of that class, untrained; raises UserError where the class cannot be found."""
    module, _, name = class_path.rpartition(".")
    try:
        family = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        raise UserError(f"the model {class_path} cannot be imported; run where its module is") from None
    return family(**hyper_parameters)
