"""Digits drawn with a pen of even width, in the forms that different hands give them."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]


def _arc(x: float, y: float, across: float, down: float, start: float, end: float) -> list[Point]:
    """Points on an ellipse, from one angle to another, degrees clockwise from the right."""
    angles = [math.radians(start + (end - start) * step / 10) for step in range(11)]
    return [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]


FORMS: dict[int, list[list[list[Point]]]] = {
    0: [[_arc(0.5, 0.5, 0.33, 0.5, -100, 265)], [_arc(0.5, 0.5, 0.4, 0.48, -60, 310)]],
    1: [
        [[(0.5, 0.0), (0.5, 1.0)]],
        [[(0.56, 0.0), (0.46, 1.0)]],
        [[(0.2, 0.32), (0.55, 0.0), (0.55, 0.02), (0.54, 1.0)]],
        [[(0.3, 0.2), (0.55, 0.0), (0.55, 0.02), (0.52, 1.0)]],
        [[(0.05, 0.5), (0.58, 0.0), (0.58, 0.02), (0.56, 1.0)]],
        [[(0.28, 0.22), (0.5, 0.0), (0.5, 0.02), (0.5, 1.0)], [(0.2, 1.0), (0.8, 1.0)]],
    ],
    2: [
        [[*_arc(0.48, 0.27, 0.33, 0.27, -170, 40), (0.15, 1.0), (0.16, 1.0), (0.9, 1.0)]],
        [[*_arc(0.48, 0.27, 0.33, 0.27, -160, 50), (0.3, 0.88), *_arc(0.25, 0.9, 0.12, 0.1, 60, 330), (0.9, 1.0)]],
    ],
    3: [
        [[*_arc(0.45, 0.25, 0.32, 0.25, -150, 90), *_arc(0.45, 0.74, 0.36, 0.26, -90, 150)]],
        [[(0.15, 0.0), (0.8, 0.0), (0.8, 0.01), (0.45, 0.4), *_arc(0.45, 0.7, 0.36, 0.3, -80, 150)]],
    ],
    4: [
        [[(0.3, 0.0), (0.12, 0.62), (0.12, 0.63), (0.9, 0.6)], [(0.65, 0.25), (0.62, 1.0)]],
        [[(0.2, 0.05), (0.18, 0.5), (0.2, 0.52), (0.75, 0.5)], [(0.75, 0.0), (0.72, 1.0)]],
        [[(0.6, 0.0), (0.08, 0.66), (0.08, 0.67), (0.95, 0.66)], [(0.62, 0.0), (0.62, 1.0)]],
        [[(0.55, 0.0), (0.08, 0.6), (0.08, 0.61), (0.9, 0.58)], [(0.6, 0.38), (0.55, 1.0)]],
    ],
    5: [
        [
            [(0.25, 0.0), (0.2, 0.42), (0.21, 0.43), *_arc(0.42, 0.69, 0.36, 0.31, -110, 140)],
            [(0.25, 0.0), (0.85, 0.0)],
        ],
        [[(0.85, 0.0), (0.25, 0.02), (0.25, 0.03), (0.22, 0.42), *_arc(0.42, 0.69, 0.36, 0.31, -100, 145)]],
    ],
    6: [
        [[(0.7, 0.0), (0.3, 0.35), *_arc(0.48, 0.7, 0.32, 0.3, 180, -170)]],
        [[(0.62, 0.0), (0.2, 0.5), *_arc(0.46, 0.74, 0.28, 0.26, 170, -200)]],
    ],
    7: [
        [[(0.1, 0.0), (0.85, 0.0), (0.84, 0.02), (0.4, 1.0)]],
        [[(0.1, 0.0), (0.85, 0.0), (0.84, 0.02), (0.4, 1.0)], [(0.3, 0.5), (0.85, 0.48)]],
        [[(0.1, 0.15), (0.12, 0.02), (0.88, 0.0), (0.86, 0.02), (0.45, 1.0)], [(0.28, 0.52), (0.85, 0.5)]],
        [[(0.08, 0.06), (0.45, 0.04), (0.88, 0.0), (0.55, 0.5), (0.45, 1.0)]],
    ],
    8: [
        [[*_arc(0.5, 0.25, 0.28, 0.25, 60, -240), *_arc(0.5, 0.74, 0.34, 0.26, -60, 240), (0.62, 0.45)]],
        [_arc(0.5, 0.24, 0.26, 0.24, -90, 270), _arc(0.5, 0.74, 0.32, 0.26, -90, 270)],
    ],
    9: [
        [[*_arc(0.48, 0.28, 0.3, 0.28, -20, -350), (0.8, 0.35), (0.74, 1.0)]],
        [[*_arc(0.46, 0.28, 0.3, 0.28, -30, -350), (0.76, 0.6), *_arc(0.45, 0.78, 0.3, 0.22, 0, 140)]],
        [[*_arc(0.48, 0.27, 0.3, 0.27, 0, -350), (0.77, 0.3), (0.6, 1.0)]],
    ],
}
"""For each digit its forms; each is strokes of points, x from the left and y from the top, 0 to 1."""


def draw_digit(digit: int, dice: random.Random, side: int = 72) -> Image.Image:
    """A digit about ``side`` pixels high, "L", ink high."""
    strokes = dice.choice(FORMS[digit])
    wobble = dice.uniform(0.0, 0.035)
    bends = [[dice.gauss(0, wobble) for _ in range(4)] for _ in range(2)]
    aspect, slant = dice.uniform(0.5, 0.95), dice.gauss(0.0, 0.12)
    width = max(2, round(side * math.exp(dice.uniform(math.log(0.035), math.log(0.2)))))
    size = 2 * side
    image = Image.new("L", (size, size))
    drawing = ImageDraw.Draw(image)
    for stroke in strokes:
        points = _smooth(np.array(stroke), dice, wobble)
        x, y = points.T
        x, y = (
            axis + sum(bend * np.sin((k + 1) * 2.2 * other + k) for k, bend in enumerate(row))
            for axis, other, row in ((x, y, bends[0]), (y, x, bends[1]))
        )
        x = (x - 0.5) * aspect - (y - 0.5) * slant + 0.5
        path = [(size / 2 + (a - 0.5) * side, size / 2 + (b - 0.5) * side) for a, b in zip(x, y, strict=True)]
        drawing.line(path, fill=255, width=width, joint="curve")
        for a, b in (path[0], path[-1]):
            drawing.ellipse((a - width / 2, b - width / 2, a + width / 2, b + width / 2), fill=255)
    return image.crop(image.getbbox())


def _smooth(points: np.ndarray, dice: random.Random, wobble: float) -> np.ndarray:
    """Points along the stroke, its corners rounded a little (Chaikin 1974)."""
    points = points + np.array([[dice.gauss(0, wobble / 2), dice.gauss(0, wobble / 2)] for _ in points])
    for _ in range(2):
        inner = np.stack([0.85 * points[:-1] + 0.15 * points[1:], 0.15 * points[:-1] + 0.85 * points[1:]], axis=1)
        points = np.concatenate([points[:1], inner.reshape(-1, 2), points[-1:]])
    return points
