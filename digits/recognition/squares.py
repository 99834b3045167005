"""Candidates cut out of a picture, each in the middle of a square, for the network that reads them."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 28
_DIGIT = 18
"""Of the square's pixels, the longer side of a digit, as in MNIST."""


def cut(grey: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Squares ``(N, 1, 28, 28)`` float32 around ``boxes`` ``(N, 4)`` on ``grey`` ``(H, W)`` float32 in 0…1.

    Grey as it is; beyond the picture's edge it goes on as its border is.
    """
    squares = np.empty((len(boxes), 1, SIDE, SIDE), dtype=np.float32)
    if len(boxes) == 0:
        return squares
    reach = float((boxes[:, 2:] - boxes[:, :2]).max()) * SIDE / _DIGIT / 2 + 2
    margin = int(min(reach, max(grey.shape)))
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    picture = Image.fromarray(np.pad(grey, margin, constant_values=float(np.median(edge))))
    for number, (left, top, right, bottom) in enumerate(boxes.tolist()):
        half = max(right - left, bottom - top, 4.0) * SIDE / _DIGIT / 2
        x, y = (left + right) / 2 + margin, (top + bottom) / 2 + margin
        area = (max(0.0, x - half), max(0.0, y - half), min(picture.width, x + half), min(picture.height, y + half))
        squares[number, 0] = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=area))
    return squares.clip(0, 1)
