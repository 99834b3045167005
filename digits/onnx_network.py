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
            # Without the fallback, which prints that it tries the same again.
            self._session = onnxruntime.InferenceSession(
                path, settings, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:  # onnxruntime has a class of its own for each way to be damaged
            reason = " ".join(str(error).split())
            raise UserError(f"{path} is damaged or not an ONNX file ({reason})") from None
        self.about: dict[str, Any] = _described(self._session, path)
        """What export knew: class, figures, data, seed, commit, configuration, and the form of input and output."""
        self.class_names = tuple(self.about.get("class_names", TEN_DIGITS))
        """What the outputs stand for."""
        self._check_answers(path)

    def _check_answers(self, path: Path) -> None:
        """Raise UserError unless the network answers for images, and with a number for each class."""
        try:
            answers = self.logits(np.zeros((2, 1, 28, 28), np.float32))
        except Exception as error:
            raise UserError(f"{path} cannot answer ({' '.join(str(error).split())})") from None
        expected = (2, len(self.class_names))
        if answers.shape != expected or answers.dtype != np.float32 or not np.isfinite(answers).all():
            raise UserError(f"{path} answers with {answers.shape} {answers.dtype}, not {expected} finite float32")

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


def _described(session: Any, path: Path) -> dict[str, Any]:
    """What export wrote into the file, which needs to be what is relied on here."""
    try:
        about = json.loads(session.get_modelmeta().custom_metadata_map["digits"])
        names = about.get("class_names", TEN_DIGITS)
        is_ours = {"input", "output"} <= about.keys() and all(isinstance(name, str) for name in names)
        is_ours &= isinstance(about.get("config", {}).get("data", {}), dict)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):  # ValueError: no JSON, or no UTF-8
        is_ours = False
    if not is_ours or len(set(names)) != len(names):
        raise UserError(f"{path} is not an ONNX file of digits; give one that `python -m digits export` wrote")
    return dict(about)
