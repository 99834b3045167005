"""The network in an ONNX file that ``export`` wrote; needs onnxruntime and NumPy, and no torch.

Files are data: an ONNX file may name no other file, and what it says of itself is checked before it is believed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from digits.classes import TEN_DIGITS
from digits.errors import UserError

_LARGEST_DESCRIPTION = 10_000_000
_INPUTS = {"float32": "tensor(float)", "uint8": "tensor(uint8)"}
_OUTPUTS = ("logits", "probabilities")


class OnnxNetwork:
    """Answers for images as a network in torch does.

    Args:
        path: A file that ``python -m digits export`` wrote; raises UserError for another.
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
        # A file can have weights read from others beside it; beneath a file there are none.
        settings.add_session_config_entry("session.model_external_initializers_file_folder_path", str(path))
        if threads is not None:
            settings.intra_op_num_threads = threads
        try:
            content = path.read_bytes()
            # Without the fallback, which prints that it tries the same again.
            self._session = onnxruntime.InferenceSession(
                content, settings, providers=["CPUExecutionProvider"], enable_fallback=0
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        except Exception as error:  # onnxruntime has a class of its own for each way to be damaged
            raise UserError(f"{path} is damaged or not an ONNX file ({_in_one_line(error)})") from None
        if "digits" not in metadata:
            raise UserError(f"{path} is not an ONNX file of digits; give one that `python -m digits export` wrote")
        self._path = path
        self.about: dict[str, Any] = self._read(metadata["digits"])
        """What export knew: class, figures, data, seed, commit, configuration, and the form of input and output."""
        self.class_names = tuple(self.about.get("class_names", TEN_DIGITS))
        """What the outputs stand for."""
        self._check_form()
        self.logits(np.zeros((2, 1, 28, 28), np.float32))

    def _read(self, description: str) -> dict[str, Any]:
        try:
            if len(description) > _LARGEST_DESCRIPTION:
                raise ValueError("it is too long")
            about = json.loads(description)
        except (ValueError, RecursionError) as error:
            raise self._refusal(f"its description is no JSON ({_in_one_line(error)})") from None
        if not isinstance(about, dict):
            raise self._refusal("its description is no mapping")
        for key, known in (("input", _INPUTS), ("output", _OUTPUTS)):
            if not isinstance(about.get(key), str) or about[key] not in known:
                raise self._refusal(f"its description has no {key} of {' or '.join(known)}")
        config = about.get("config", {})
        if not isinstance(config, dict) or not isinstance(config.get("data", {}), dict):
            raise self._refusal("its description has no configuration of the data")
        names = about.get("class_names", list(TEN_DIGITS))
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < 2:
            raise self._refusal("its description has no names of classes")
        return about

    def _check_form(self) -> None:
        """Raise UserError unless the network takes batches of images and has an output for each class."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        count = len(self.class_names)
        if (
            [(node.name, node.type, node.shape[1:]) for node in inputs]
            != [("images", _INPUTS[self.about["input"]], [1, 28, 28])]
            or [node.type for node in outputs] != ["tensor(float)"]
            or isinstance(inputs[0].shape[0], int)
            or len(outputs[0].shape) != 2
            or (isinstance(outputs[0].shape[1], int) and outputs[0].shape[1] != count)
        ):
            raise self._refusal(
                f"it must take any number of images (batch, 1, 28, 28) and give (batch, {count}), one for each class"
            )

    def _refusal(self, problem: str) -> UserError:
        return UserError(f"{self._path} cannot be used: {problem}; give one that `python -m digits export` wrote")

    def logits(self, images: np.ndarray) -> np.ndarray:
        """``(N, classes)`` float32 for ``images`` ``(N, 1, 28, 28)`` float32 in 0…1, ink high.

        Of a file that answers with probabilities these are their logarithms, which have the same softmax. Raises
        UserError where the file gives anything else.
        """
        if self.about["input"] == "uint8":
            images = (images * 255).round().astype(np.uint8)
        try:
            (answers,) = self._session.run(None, {"images": images})
        except Exception as error:  # onnxruntime's, of operators that do not fit one another
            raise self._refusal(f"it gives no answer ({_in_one_line(error)})") from None
        if answers.shape != (len(images), len(self.class_names)):
            raise self._refusal(f"it answers {len(images)} images with {answers.shape} numbers")
        if not (answers < np.inf).all():  # nor of NaN
            raise self._refusal("it answers with NaN or infinity")
        return np.log(np.maximum(answers, 1e-30)) if self.about["output"] == "probabilities" else answers

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """``(N, classes)`` float32; each row sums to 1. ``images`` as for ``logits``."""
        logits = self.logits(images)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)


def _in_one_line(error: Exception) -> str:
    return ascii(" ".join(str(error).split()))[1:-1][:200]
