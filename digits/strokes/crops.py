"""A digit from a page, made to look as MNIST's do."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.morphology import skeletonize

_SIDE, _BOX = 28, 20
_THINNEST, _THICKEST = 1.9, 4.4
"""Widths of strokes in pixels of the 20-pixel box, between which nine tenths of MNIST's lie."""


def center(ink: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    """Bring a digit to MNIST's form: ``(28, 28)`` float32 in ``[0, 1]``, ink high.

    As LeCun et al. did: scaled, with its proportions and anti-aliased, into 20×20 pixels, and put with its centre of
    mass into the middle of 28×28. ``ink`` ``(H, W)`` in ``[0, 1]`` is cut to the digit, ``strokes`` ``(H, W)`` bool
    says where it is. Its darkest parts become 1, and strokes far thinner or thicker than MNIST's are brought near them.
    """
    shown = np.where(ndimage.binary_dilation(strokes), ink, 0)
    shown = np.clip(shown / max(float(np.quantile(ink[strokes], 0.9)), 1e-3), 0, 1)
    shown = _adjust_width(shown, strokes, _BOX / max(shown.shape))
    scale = _BOX / max(shown.shape)
    size = [max(1, round(side * scale)) for side in (shown.shape[1], shown.shape[0])]
    small = np.asarray(Image.fromarray(shown.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
    small = np.clip(small, 0, 1)
    small = small / max(float(small.max()), 1e-3)
    return _placed(small)


def _adjust_width(shown: np.ndarray, strokes: np.ndarray, scale: float) -> np.ndarray:
    length = int(skeletonize(strokes).sum())
    width = float(shown.sum()) / max(length, 1) * scale
    wanted = np.clip(width, _THINNEST, _THICKEST)
    reach = round(abs(wanted - width) / scale)
    if reach == 0:
        return shown
    if width < wanted:
        shown = np.pad(shown, reach // 2 + 1)
        return ndimage.grey_dilation(shown, size=(reach + 1, reach + 1))
    return ndimage.grey_erosion(shown, size=(reach + 1, reach + 1))


def _placed(small: np.ndarray) -> np.ndarray:
    """Put a picture of at most 20×20 pixels into 28×28 by its centre of mass."""
    canvas = np.zeros((_SIDE, _SIDE), dtype=np.float32)
    rows, columns = small.shape
    mass = ndimage.center_of_mass(small) if small.any() else (rows / 2, columns / 2)
    top = min(max(round(_SIDE / 2 - mass[0]), 0), _SIDE - rows)
    left = min(max(round(_SIDE / 2 - mass[1]), 0), _SIDE - columns)
    canvas[top : top + rows, left : left + columns] = small
    return canvas
