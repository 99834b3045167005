"""Trained models, whatever kind of file they are in."""

from __future__ import annotations

from pathlib import Path

from digits.models.base import DigitClassifier
from digits.models.checkpoints import load_model
from digits.models.onnx_model import OnnxModel
from digits.models.portable import load_portable


def open_model(path: Path) -> DigitClassifier:
    """The model in a checkpoint, a .safetensors file or an .onnx file, on the CPU, ready to answer.

    Raises UserError where it cannot be read.
    """
    if path.suffix == ".onnx":
        return OnnxModel(str(path)).eval()
    return load_portable(path) if path.suffix == ".safetensors" else load_model(path)
