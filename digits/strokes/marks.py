"""Where on a page the digits are: strokes that belong together, in lines, in the order of reading."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

_MOST = 1000
"""More are texture rather than writing, and the largest are looked at alone, so that no picture takes forever."""
_SPECK = 0.25
"""What is smaller than this share of the usual height, either way, is no digit."""
_FAINT = 0.4
"""What is fainter than this share of the usual darkness is a shadow, a fold or a rule."""


@dataclass(frozen=True)
class Mark:
    """One digit, or what may be one: its box in pixels and its strokes ``(bottom - top, right - left)`` bool."""

    top: int
    left: int
    bottom: int
    right: int
    strokes: np.ndarray

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def place(self) -> tuple[slice, slice]:
        """The rows and columns of its box."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column."""
        return (self.top + self.bottom) / 2, (self.left + self.right) / 2


def find_marks(mask: np.ndarray, ink: np.ndarray) -> list[Mark]:
    """The marks in a mask of ink ``(H, W)`` bool, in no order, at most 1,000; specks and what is far fainter left out.

    ``ink`` ``(H, W)`` says how dark each pixel is.
    """
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    places = ndimage.find_objects(labels)
    parts = [
        Mark(rows.start, columns.start, rows.stop, columns.stop, labels[rows, columns] == number)
        for number, (rows, columns) in enumerate(places, start=1)
        if rows.stop - rows.start > 2 or columns.stop - columns.start > 2
    ]
    parts = sorted(parts, key=lambda part: part.height + part.width, reverse=True)[:_MOST]
    usual = usual_height(parts)
    parts = [part for part in parts if max(part.height, part.width) > 0.08 * usual]
    darkness = np.array([float(ink[part.place][part.strokes].mean()) for part in parts])
    usual_darkness = _weighted_median(darkness, np.array([part.strokes.sum() for part in parts]))
    parts = [part for part, dark in zip(parts, darkness, strict=True) if dark > _FAINT * usual_darkness]
    marks = [join(group) for group in _groups(parts, usual)]
    return [mark for mark in marks if max(mark.height, mark.width) >= _SPECK * usual]


def usual_height(marks: list[Mark]) -> float:
    """The height of a digit: the median over the marks, where each counts as much as it is high."""
    heights = np.array([max(mark.height, mark.width / 2) for mark in marks])
    return _weighted_median(heights, heights)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    if len(values) == 0:
        return 0.0
    order = values.argsort()
    weights = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(weights, weights[-1] / 2)])


def _groups(parts: list[Mark], usual: float) -> list[list[Mark]]:
    """Parts that make up one digit each."""
    group_of = list(range(len(parts)))

    def root(number: int) -> int:
        while group_of[number] != number:
            number = group_of[number]
        return number

    by_left = sorted(range(len(parts)), key=lambda number: parts[number].left)
    for position, first in enumerate(by_left):
        for second in by_left[position + 1 :]:
            if parts[second].left > parts[first].right + 0.3 * usual:
                break
            if _belong_together(parts[first], parts[second], usual):
                group_of[root(second)] = root(first)
    groups: dict[int, list[Mark]] = {}
    for number, part in enumerate(parts):
        groups.setdefault(root(number), []).append(part)
    return list(groups.values())


def _belong_together(one: Mark, other: Mark, usual: float) -> bool:
    small, large = sorted((one, other), key=lambda part: part.height * part.width)
    together = max(one.bottom, other.bottom) - min(one.top, other.top)
    across = max(one.right, other.right) - min(one.left, other.left)
    if together > 1.35 * max(usual, large.height) or across > 1.35 * max(usual, large.width):
        return False
    beside = max(one.left, other.left) - min(one.right, other.right)  # below 0 where they stand above each other
    apart = max(one.top, other.top) - min(one.bottom, other.bottom)
    is_part = small.height < 0.7 * usual
    is_near_scrap = apart <= 0.1 * usual and small.height <= 0.45 * usual
    is_stacked = apart <= 0.25 * usual and -beside >= (0.3 if is_near_scrap else 0.5) * small.width
    is_inside = -beside >= 0.8 * small.width and -apart >= 0.8 * small.height
    # The bar of a 5, drawn last, a little to the right of the rest.
    is_bar = (
        small.height < 0.45 * usual
        and beside <= 0.2 * usual
        and small.middle[0] < large.top + 0.35 * large.height
        and small.bottom > large.top - 0.25 * usual
        and small.middle[1] > large.middle[1]
    )
    return is_inside or (is_part and (is_stacked or is_bar))


def join(parts: list[Mark]) -> Mark:
    """Parts as one mark."""
    top, left = min(part.top for part in parts), min(part.left for part in parts)
    bottom, right = max(part.bottom for part in parts), max(part.right for part in parts)
    strokes = np.zeros((bottom - top, right - left), dtype=bool)
    for part in parts:
        strokes[part.top - top : part.bottom - top, part.left - left : part.right - left] |= part.strokes
    return Mark(top, left, bottom, right, strokes)


def split(mark: Mark, count: int) -> list[Mark]:
    """Cut a mark into ``count`` side by side where the least ink stands near equal widths."""
    ink = ndimage.uniform_filter1d(mark.strokes.sum(axis=0).astype(float), 3, mode="nearest")
    cuts = [0]
    for number in range(1, count):
        middle, reach = mark.width * number / count, 0.3 * mark.width / count
        low, high = max(cuts[-1] + 1, round(middle - reach)), round(middle + reach) + 1
        cuts.append(low + int(np.argmin(ink[low:high])))
    cuts.append(mark.width)
    return [_trimmed(mark, left, right) for left, right in pairwise(cuts)]


def _trimmed(mark: Mark, left: int, right: int) -> Mark:
    strokes = mark.strokes[:, left:right]
    rows, columns = np.nonzero(strokes.any(axis=1))[0], np.nonzero(strokes.any(axis=0))[0]
    if len(rows) == 0:
        return Mark(mark.top, mark.left + left, mark.bottom, mark.left + right, strokes)
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    top, left = mark.top + int(rows[0]), mark.left + left + int(columns[0])
    cut = strokes[inside]
    return Mark(top, left, top + cut.shape[0], left + cut.shape[1], cut)


def line_angle(marks: list[Mark]) -> float:
    """By how many degrees lines of writing rise to the right, -22 to 22; 0 where nothing tells.

    The angle at which the most pairs of near marks stand level.
    """
    if len(marks) < 3:
        return 0.0
    usual = usual_height(marks)
    middles = np.array([mark.middle for mark in marks])
    rows, columns = (np.subtract.outer(axis, axis) for axis in middles.T)
    near = (columns > 0.3 * usual) & (np.hypot(rows, columns) < 6 * usual)
    rows, columns = rows[near], columns[near]
    angles = np.arange(-22, 22.5, 0.5)
    off = rows[:, None] * np.cos(np.radians(angles)) + columns[:, None] * np.sin(np.radians(angles))
    level = np.exp(-((off / (0.2 * usual)) ** 2)).sum(axis=0) * (1 - 0.002 * np.abs(angles))
    best = float(angles[level.argmax()])
    # A few marks stand level at some angle by chance.
    return best if level.max() > 1.15 * level[len(angles) // 2] else 0.0


def in_lines(marks: list[Mark]) -> list[list[Mark]]:
    """Marks of a page that lies straight, line by line from the top, each from the left."""
    usual = usual_height(marks)
    lines: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: mark.left):
        near = [line for line in lines if abs(_level(line, usual) - mark.middle[0]) < 0.5 * max(usual, mark.height)]
        if near:
            min(near, key=lambda line: abs(_level(line, usual) - mark.middle[0])).append(mark)
        else:
            lines.append([mark])
    return sorted(lines, key=lambda line: np.mean([mark.middle[0] for mark in line]))


def _level(line: list[Mark], usual: float) -> float:
    """The height at which a line goes on: that of its last few marks."""
    return float(np.mean([mark.middle[0] for mark in line[-3:]]))
