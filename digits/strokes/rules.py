"""The lines of ruled and squared paper, and of tables."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_STEEPEST = 22.0
_STEP = 0.25
_SHARE = 0.55
"""A rule is inked along this share of the page at least, as no line of writing is."""


def rule_angle(mask: np.ndarray) -> float | None:
    """By how many degrees the page's rules rise to the right, -22 to 22; None on paper without."""
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return None
    keep = slice(None, None, max(1, len(rows) // 40_000))
    share_kept = len(rows[keep]) / len(rows)
    best, most = None, _SHARE
    for angle in np.arange(-_STEEPEST, _STEEPEST + _STEP, _STEP):
        radians = np.radians(angle)
        across = np.round(rows[keep] * np.cos(radians) + columns[keep] * np.sin(radians)).astype(int)
        counts = np.bincount(across - across.min())
        inked = counts.max() / share_kept * np.cos(radians) / mask.shape[1]
        if inked > most:
            best, most = float(angle), inked
    return best


def erase_rules(mask: np.ndarray) -> np.ndarray:
    """``mask`` of a page that lies straight, without horizontal and vertical rules; strokes that cross them stay."""
    return mask & ~_horizontal_rules(mask) & ~_horizontal_rules(mask.T).T


def _horizontal_rules(mask: np.ndarray) -> np.ndarray:
    """Where a horizontal rule is and nothing else."""
    reach = max(15, mask.shape[1] // 12) | 1
    thick = _dilate(mask, (3, 5))  # so that gaps and steps of a pixel or two do not matter
    runs = _open(thick, (1, reach)) & mask
    labels, _ = ndimage.label(_dilate(runs, (3, reach)))
    rules = np.zeros_like(mask)
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        rule = runs[place] & (labels[place] == number)
        columns = rule.sum(axis=0)
        if (columns > 0).sum() < _SHARE * mask.shape[1]:
            continue
        thickness = int(np.median(columns[columns > 0]))
        rules[place] |= rule
        # What goes on above or below the rule crosses it.
        taller = _open(mask[_wider(place, mask.shape, thickness + 4)], ((thickness + 4) | 1, 1))
        rows = place[0].start - max(0, place[0].start - thickness - 4)
        height = place[0].stop - place[0].start
        rules[place] &= ~taller[rows : rows + height]
    return rules


def _dilate(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Grow by a rectangle of odd sides. (ndimage.binary_dilation takes as much longer as the rectangle is larger.)"""
    return ndimage.maximum_filter(mask.view(np.uint8), size, mode="constant").view(bool)


def _open(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Keep only what the rectangle fits into."""
    return _dilate(ndimage.minimum_filter(mask.view(np.uint8), size, mode="constant").view(bool), size)


def _wider(place: tuple[slice, slice], shape: tuple[int, ...], margin: int) -> tuple[slice, slice]:
    return slice(max(0, place[0].start - margin), min(shape[0], place[0].stop + margin)), place[1]
