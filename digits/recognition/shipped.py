"""The ONNX files that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from digits.errors import UserError


def open_session(path: Path) -> Any:
    """Have onnxruntime read one of our own files; raises UserError where onnxruntime is not installed."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise UserError("reading with ONNX files needs onnxruntime, an extra: pip install 'digits[onnx]'") from None
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
