"""A trained model as two files that any program can read: its weights as safetensors, and what they are as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from digits.errors import UserError
from digits.models.base import DigitClassifier
from digits.models.checkpoints import describe_network, explained
from digits.models.families import is_plain
from digits.models.weights import load_network


def save_portable(model: DigitClassifier, path: Path, about: dict[str, Any]) -> None:
    """Write ``path`` (.safetensors) and beside it a .json with what rebuilds the network, and ``about``."""
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, path)
    path.with_suffix(".json").write_text(json.dumps(describe_network(model) | about, indent=2) + "\n")


def load_portable(path: Path) -> DigitClassifier:
    """The model in ``path``, on the CPU, ready to answer; raises UserError where it cannot be read."""
    try:
        about = json.loads(path.with_suffix(".json").read_text())
        weights = load_file(path)
    except (OSError, SafetensorError, ValueError, RecursionError) as error:  # ValueError: no JSON, or no UTF-8
        raise UserError(f"cannot read the weights in {path} and the JSON beside it: {error}") from None
    with explained(path):
        if not isinstance(about, dict) or not is_plain(about):
            raise UserError("the JSON beside it is no mapping")
        return load_network(about.get("class_path"), about.get("hyper_parameters"), weights)
