"""The order of reading: boxes in lines from the top, each from the left, numbers kept apart by gaps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

_APART = 0.75
"""Between two numbers lies at least this share of a digit's height."""


def line_angle(boxes: np.ndarray) -> float:
    """By how many degrees lines rise to the right, -22 to 22, for ``boxes`` ``(N, 4)``; 0 where nothing tells.

    The angle at which the most pairs of near boxes stand level.
    """
    if len(boxes) < 3:
        return 0.0
    usual = _usual_height(boxes)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    columns, rows = (np.subtract.outer(axis, axis) for axis in middles.T)
    near = (columns > 0.3 * usual) & (np.hypot(rows, columns) < 6 * usual)
    rows, columns = rows[near], columns[near]
    angles = np.arange(-22, 22.5, 0.5)
    off = rows[:, None] * np.cos(np.radians(angles)) + columns[:, None] * np.sin(np.radians(angles))
    level = np.exp(-((off / (0.2 * usual)) ** 2)).sum(axis=0) * (1 - 0.002 * np.abs(angles))
    best = float(angles[level.argmax()])
    # A few boxes stand level at some angle by chance.
    return best if level.max() > 1.15 * level[len(angles) // 2] else 0.0


def in_lines(boxes: np.ndarray) -> list[list[int]]:
    """The numbers of ``boxes`` ``(N, 4)``, line by line from the top, each from the left."""
    if len(boxes) == 0:
        return []
    usual = _usual_height(boxes)
    angle = np.radians(line_angle(boxes))
    x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T
    across, down = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    heights = boxes[:, 3] - boxes[:, 1]
    lines: list[list[int]] = []
    for number in across.argsort().tolist():
        levels = [float(np.mean(down[line[-3:]])) for line in lines]
        reach = 0.5 * max(usual, heights[number])
        near = [k for k, level in enumerate(levels) if abs(level - down[number]) < reach]
        if near:
            lines[min(near, key=lambda k: abs(levels[k] - down[number]))].append(number)
        else:
            lines.append([number])
    return sorted(lines, key=lambda line: float(np.mean(down[line])))


def gaps(boxes: np.ndarray, line: list[int]) -> list[bool]:
    """For each digit of a line but the first, whether a new number begins with it."""
    usual = _usual_height(boxes[line])
    return [float(boxes[after, 0] - boxes[before, 2]) > _APART * usual for before, after in pairwise(line)]


def _usual_height(boxes: np.ndarray) -> float:
    """The median over the boxes, where each counts as much as it is high."""
    heights = np.maximum(boxes[:, 3] - boxes[:, 1], (boxes[:, 2] - boxes[:, 0]) / 2)
    order = heights.argsort()
    weights = np.cumsum(heights[order])
    return float(heights[order][np.searchsorted(weights, weights[-1] / 2)])
