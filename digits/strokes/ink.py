"""What on a picture is ink, and which way the page lies."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.transform import resize

_COARSE = 200
"""Longest side, in pixels, of the small picture in which the paper is looked for."""
_WIDEST_STROKE = 0.2
"""Strokes are narrower than this share of the picture's shorter side."""
FAINTEST = 0.08
"""Ink takes at least this share of the paper's light away."""
_DARKEST = 0.05
"""Paper in full shadow is about so light; what is darker is not paper."""
_AS_LIGHT = 0.85
"""What a sheet lies on is at most so light beside it."""
_AT_EDGE = 0.3
"""A sheet that is all in sight makes up at most this share of the picture's edge."""
_SMALLEST_SHEET = 0.1
"""A sheet is at least this share of the picture."""


def find_ink(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much of the paper's light each pixel lacks, ``(H, W)`` float32 from 0 to 1, and where that is ink, bool.

    Light ink on dark paper is turned round. Uneven light and shadows go with the paper. Ink is what stands out of the
    paper's grain, and each stroke ends where it is less than half as dark as at its darkest. Where a sheet lies on
    something darker, there is no ink beside it.
    """
    if is_light_on_dark(grey):
        grey = 1 - grey
    coarse = _coarse_paper(grey)
    paper = resize(coarse, grey.shape, order=1, mode="edge")
    on_sheet = resize(_sheet(coarse), grey.shape, order=0, mode="edge")
    ink = (np.clip((paper - grey) / np.maximum(paper, _DARKEST), 0, 1) * on_sheet).astype(np.float32)
    smooth = ndimage.gaussian_filter(ink, 0.7)
    in_light = (smooth * paper)[on_sheet]
    grain = 1.4826 * float(np.median(np.abs(in_light - np.median(in_light))))
    faint = np.maximum(FAINTEST, 5 * grain / np.maximum(paper, _DARKEST))
    inked = smooth > faint
    labels, count = ndimage.label(inked, np.ones((3, 3)))
    darkest = np.zeros(count + 1)
    np.maximum.at(darkest, labels[inked], smooth[inked])
    return ink, inked & (smooth > 0.4 * darkest[labels])


def is_light_on_dark(grey: np.ndarray) -> bool:
    """Whether the few pixels that differ most from those around them are lighter than these."""
    difference = grey - ndimage.uniform_filter(grey, max(3, min(grey.shape) // 4), mode="nearest")
    return float((difference**3).sum()) > 0


def _coarse_paper(grey: np.ndarray) -> np.ndarray:
    """The grey of the paper, in a small picture.

    A closing fills in what is narrower than a stroke may be and leaves the edges of a shadow where they are. There, and
    at the edge of the sheet, the darker side is taken; the lighter would make the darker look like ink.
    """
    shrink = min(1.0, _COARSE / max(grey.shape))
    shape = tuple(max(1, round(side * shrink)) for side in grey.shape)
    small = resize(grey, shape, order=1, anti_aliasing=shrink < 1, mode="edge")
    reach = max(3, round(_WIDEST_STROKE * min(shape)))
    filled = ndimage.grey_closing(small, size=(reach, reach), mode="nearest")
    return ndimage.gaussian_filter(ndimage.minimum_filter(filled, 3, mode="nearest"), 1, mode="nearest")


def _sheet(paper: np.ndarray) -> np.ndarray:
    """Where the sheet lies ``(H, W)`` bool, if it lies on something darker and is all in sight; else everywhere."""
    everywhere = np.ones(paper.shape, dtype=bool)
    if paper.min() >= _AS_LIGHT * paper.max():
        return everywhere
    light = paper > threshold_otsu(paper)
    if paper[~light].mean() > _AS_LIGHT * paper[light].mean():
        return everywhere
    labels, _ = ndimage.label(light)
    sheet = labels == np.bincount(labels[light]).argmax()
    at_edge = np.concatenate([sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]])
    if at_edge.mean() > _AT_EDGE or sheet.mean() < _SMALLEST_SHEET:
        return everywhere
    return ndimage.binary_erosion(ndimage.binary_fill_holes(sheet), np.ones((3, 3)), iterations=2)
