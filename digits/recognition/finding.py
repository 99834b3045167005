"""Where on a picture digits stand: a network looks at it in several sizes, and what it finds is brought together."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from digits.boxes import Candidates, decode, unite
from digits.recognition.shipped import open_session

_LARGEST = 1536
"""Pixels of the longest side at which a picture is looked at most closely."""
_SMALLEST = 72
"""Of the longest side at which it is looked at last."""
_MARGIN = 24


FINDER = Path(__file__).parent / "weights" / "finder.safetensors"
"""The network that scripts/ship_box_reader.py was given, in half precision."""


class FinderMaps(Protocol):
    """A network that finds digits."""

    def maps(self, pages: np.ndarray) -> np.ndarray:
        """Answers ``(B, 15, H / 4, W / 4)`` for pages ``(B, 1, H, W)`` float32 in ``[0, 1]``, sides multiples of 16."""
        ...


def find_digits(network: FinderMaps, grey: np.ndarray) -> Candidates:
    """All candidates on a picture ``(H, W)`` float32 in 0…1, those that are seen twice once."""
    boxes, scores, logits = [], [], []
    longest = max(grey.shape)
    size = float(min(_LARGEST, 2 * longest if longest < 700 else longest))
    size = max(size, 128.0)
    while size >= _SMALLEST:
        scale = size / longest
        shape = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        kind = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
        level = grey if scale == 1 else np.asarray(Image.fromarray(grey).resize(shape, kind)).clip(0, 1)
        found = _find(network, level)
        boxes.append(found.boxes / scale)
        scores.append(found.scores)
        logits.append(found.logits)
        size /= 2
    return unite(Candidates(np.concatenate(boxes), np.concatenate(scores), np.concatenate(logits)))


def _find(network: FinderMaps, level: np.ndarray) -> Candidates:
    height, width = level.shape
    edge = np.concatenate([level[0], level[-1], level[:, 0], level[:, -1]])
    below, beside = -(height + 2 * _MARGIN) % 16, -(width + 2 * _MARGIN) % 16
    margins = ((_MARGIN, _MARGIN + below), (_MARGIN, _MARGIN + beside))
    page = np.pad(level, margins, constant_values=float(np.median(edge)))
    return decode(network.maps(page[None, None])[0], (height, width), _MARGIN)


def load_finder(*, in_onnx: bool) -> FinderMaps:
    """The network that comes with the package, in ONNX or in torch."""
    if in_onnx:
        return _OnnxFinder()
    from safetensors.torch import load_file

    from digits.models import Finder

    finder = Finder()
    finder.load_state_dict({name: tensor.float() for name, tensor in load_file(FINDER).items()})
    return finder.eval()


class _OnnxFinder:
    def __init__(self) -> None:
        self._session = open_session(FINDER.with_suffix(".onnx"))

    def maps(self, pages: np.ndarray) -> np.ndarray:
        (answers,) = self._session.run(None, {"pages": pages})
        return answers
