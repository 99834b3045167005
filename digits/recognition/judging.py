"""Whether what stands in a box is a digit: a second network looks at the picture itself, with what lies around."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from digits.recognition.shipped import open_session
from digits.recognition.squares import cut

BOX_READER = Path(__file__).parent / "weights" / "box_reader.safetensors"
"""scripts/ship_box_reader.py makes this file, the same network as ONNX, and the JSON beside them."""
_FAINTEST = 1e-4
"""Probability below which the network of MNIST's form is not believed."""


class BoxNetwork(Protocol):
    """What tells a digit from what is none: a network in torch, or in ONNX, which needs no torch."""

    def logits(self, squares: np.ndarray) -> np.ndarray:
        """``(N, 11)`` float32 for ``squares`` ``(N, 1, 28, 28)`` float32 in grey; the last: no digit."""
        ...


@dataclass(frozen=True)
class Judge:
    """Joins the answers of two networks, each weighed as was fitted to composed pages.

    That a box holds a digit: ``sure`` times the log-odds of the box's network, and ``bias``. Which: ``box`` and
    ``digit`` times the log-probabilities of the box's network and of the one that reads MNIST's form.
    """

    network: BoxNetwork
    sure: float
    bias: float
    box: float
    digit: float

    @classmethod
    def shipped(cls, *, in_onnx: bool) -> Judge:
        """The judge that comes with the package, in ONNX or in torch."""
        weights = json.loads(BOX_READER.with_suffix(".json").read_text())["judge"]
        return cls(_load(in_onnx=in_onnx), **weights)

    def look(self, grey: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Log-probabilities ``(N, 11)`` of what is in ``boxes`` ``(N, 4)`` on ``grey``; the last: no digit."""
        if len(boxes) == 0:
            return np.zeros((0, 11), dtype=np.float32)
        return _log_softmax(self.network.logits(cut(grey, boxes)))

    def sureness(self, looks: np.ndarray) -> np.ndarray:
        """The probability ``(N,)`` that it is a digit at all."""
        odds = np.logaddexp.reduce(looks[:, :10], axis=1) - looks[:, 10]
        return 1 / (1 + np.exp(-(self.sure * odds + self.bias)))

    def join(self, looks: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities ``(N, 10)`` of the digits, with those of the network that reads MNIST's form."""
        return np.exp(_log_softmax(self.box * looks[:, :10] + self.digit * np.log(probabilities + _FAINTEST)))


def _load(*, in_onnx: bool) -> BoxNetwork:
    if in_onnx:
        return _OnnxBoxNetwork()
    from digits.models.box_reader import load_box_reader  # which needs torch

    return load_box_reader(BOX_READER)


class _OnnxBoxNetwork:
    def __init__(self) -> None:
        self._session = open_session(BOX_READER.with_suffix(".onnx"))

    def logits(self, squares: np.ndarray) -> np.ndarray:
        (answers,) = self._session.run(None, {"squares": squares})
        return answers


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
