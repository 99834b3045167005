"""The network in an ONNX file that ``export`` wrote; needs onnxruntime and NumPy, and no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from digits.classes import TEN_DIGITS
from digits.errors import UserError


class OnnxNetwork:
    """Answers for images as a network in torch does.

    Args:
        path: A file that ``python -m digits export`` wrote.
        threads: How many threads an answer may use; onnxruntime's choice by default, which is all cores.

    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise UserError("reading ONNX files needs onnxruntime, an extra: pip install 'digits[onnx]'") from None
        if not path.is_file():
            raise UserError(f"the ONNX file {path} does not exist")
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        if threads is not None:
            settings.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class of its own for each way to be damaged
            reason = " ".join(str(error).split())
            raise UserError(f"{path} is damaged or not an ONNX file ({reason})") from None
        metadata = self._session.get_modelmeta().custom_metadata_map
        if "digits" not in metadata:
            raise UserError(f"{path} is not an ONNX file of digits; give one that `python -m digits export` wrote")
        self.about: dict[str, Any] = json.loads(metadata["digits"])
        """What export knew: class, figures, data, seed, commit, configuration, and the form of input and output."""
        self.class_names = tuple(self.about.get("class_names", TEN_DIGITS))
        """What the outputs stand for."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        """``(N, classes)`` float32 for ``images`` ``(N, 1, 28, 28)`` float32 in 0…1, ink high.

        Of a file that answers with probabilities these are their logarithms, which have the same softmax.
        """
        if self.about["input"] == "uint8":
            images = (images * 255).round().astype(np.uint8)
        (answers,) = self._session.run(None, {"images": images})
        return np.log(np.maximum(answers, 1e-30)) if self.about["output"] == "probabilities" else answers

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """``(N, classes)`` float32; each row sums to 1. ``images`` as for ``logits``."""
        logits = self.logits(images)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)
