"""A picture of a single character, whichever, in the form that networks see."""

from __future__ import annotations

import numpy as np
from PIL import Image

from digits.strokes.crops import center
from digits.strokes.ink import FAINTEST, find_ink, is_light_on_dark
from digits.strokes.marks import find_marks, join

_LONGEST_SIDE = 1800
"""Larger pictures are shrunk to it before anything is looked for."""
_SIDE = 28

Box = tuple[int, int, int, int]


def single_character(grey: np.ndarray) -> tuple[np.ndarray, Box] | None:
    """All that is written on a picture as one character: ``(28, 28)`` float32 in ``[0, 1]``, ink high, and its box.

    ``grey`` is ``(H, W)`` in 0 (black) to 1 (white), and the box left, top, right, bottom in its pixels. A picture of
    28×28 pixels is in MNIST's form already and stays as it is; of others the ink is cut out, scaled and centred as
    MNIST's digits are. None where there is no ink.
    """
    if grey.shape == (_SIDE, _SIDE):
        if np.ptp(grey) < FAINTEST:
            return None
        return grey if is_light_on_dark(grey) else 1 - grey, (0, 0, _SIDE, _SIDE)
    small, shrunk = shrink(grey)
    ink, mask = find_ink(small)
    marks = find_marks(mask, ink)
    if not marks:
        return None
    mark = join(marks)
    left, top, right, bottom = (round(side / shrunk) for side in (mark.left, mark.top, mark.right, mark.bottom))
    return center(ink[mark.place], mark.strokes), (left, top, right, bottom)


def shrink(grey: np.ndarray) -> tuple[np.ndarray, float]:
    """A picture ``(H, W)`` of at most 1,800 pixels a side, and by what it was multiplied."""
    shrunk = min(1.0, _LONGEST_SIDE / max(grey.shape))
    if shrunk < 1:
        size = [max(1, round(side * shrunk)) for side in grey.shape[::-1]]
        grey = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX))
    return grey, shrunk
