"""The fifteen corruptions of MNIST-C, at the strengths of the published set.

Written from the definitions of Mu and Gilmer 2019, "MNIST-C: A Robustness Benchmark for Computer Vision", and of the
program they published with it; the draws are our own, so figures agree with theirs within noise and not image by image.
Each takes and returns images ``(B, 28, 28)`` float64 in ``[0, 1]``, ink high.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.ndimage import affine_transform, convolve1d, gaussian_filter, rotate

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]
_SIDE = 28
_MIDDLE = (_SIDE - 1) / 2


def _shot_noise(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    photons = 3
    return np.clip(generator.poisson(images * photons) / photons, 0, 1)


def _impulse_noise(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    hit = generator.random(images.shape) < 0.17
    return np.where(hit, generator.integers(0, 2, images.shape), images)


def _glass_blur(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Blurred, neighbours swapped at random, pixel after pixel, blurred again."""
    images = _blur(images, 0.7)
    every = np.arange(len(images))
    for _ in range(2):
        for row in range(_SIDE - 1, 1, -1):
            for column in range(_SIDE - 1, 1, -1):
                down, across = generator.integers(-1, 1, (2, len(images))) * (generator.random(len(images)) < 0.5)
                here, there = (every, row, column), (every, row + down, column + across)
                images[here], images[there] = images[there], images[here].copy()
    return _blur(images, 0.7)


def _motion_blur(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A one-sided Gaussian tail of 10 pixels and deviation 3, in a direction drawn from ±45°."""
    tail = np.exp(-(np.arange(11) ** 2) / (2 * 3.0**2))
    kernel = np.concatenate([np.zeros(10), tail])
    blurred = np.empty_like(images)
    for number, angle in enumerate(generator.uniform(-45, 45, len(images))):
        turned = rotate(images[number], angle, order=1)
        turned = convolve1d(turned, kernel / kernel.sum(), mode="constant")
        back = rotate(turned, -angle, order=1)
        margin = (len(back) - _SIDE) // 2
        blurred[number] = back[margin : margin + _SIDE, margin : margin + _SIDE]
    return np.clip(blurred, 0, 1)


def _shear(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    angles = 0.4 * generator.choice([-1, 1], len(images))
    return _moved(images, [np.array([[math.cos(angle), 0], [-math.sin(angle), 1]]) for angle in angles])


def _scale(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return _moved(images, [np.eye(2) / 0.7] * len(images))


def _rotate(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    angles = 0.4 * generator.choice([-1, 1], len(images))
    return _moved(images, [_turn(angle) for angle in angles])


def _brightness(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.clip(images + 0.5, 0, 1)


def _translate(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    shifts = 3 * generator.choice([-1, 1], (len(images), 2))
    return _moved(images, [np.eye(2)] * len(images), shifts)


def _stripe(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    striped = images.copy()
    striped[:, :, :7] = 1 - images[:, :, :7]
    striped[:, :, 21:] = 1 - images[:, :, 21:]
    return striped


def _fog(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    thickness, roughness = 3.0, 1.4
    fog = np.concatenate(
        [_plasma(len(part), roughness, generator) for part in np.array_split(images, -(-len(images) // 100))]
    )
    brightest = images.max(axis=(1, 2), keepdims=True)
    return np.clip((images + thickness * fog) * brightest / (brightest + thickness), 0, 1)


def _spatter(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Mud: blobs of grey over the ink."""
    liquid = _blur(generator.normal(0.65, 0.3, images.shape), 1)
    mud = _blur((liquid > 0.65).astype(float), 1.5)
    mud[mud < 0.8] = 0
    return np.clip(images * (1 - mud) + 63 / 255 * mud, 0, 1)


def _dotted_line(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    ends = generator.integers(0, 27, (len(images), 2))
    is_drawn = np.arange(_SIDE) // 2 % 2 == 1
    lines = np.stack([_line(0, first, 27, last) for first, last in ends]) * is_drawn
    return np.clip(images + lines, 0, 1)


def _zigzag(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    starts = generator.integers(0, 27, len(images))
    ends = starts + generator.integers(-5, 5, len(images))
    lines = np.stack([_zigzag_line(start, end) for start, end in zip(starts, ends, strict=True)])
    return np.clip(images + lines, 0, 1)


def _canny_edges(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    from skimage.feature import canny  # which only this needs

    return np.stack([canny(image) for image in images]).astype(float)


MNIST_C: dict[str, Corruption] = {
    "shot noise": _shot_noise,
    "impulse noise": _impulse_noise,
    "glass blur": _glass_blur,
    "motion blur": _motion_blur,
    "shear": _shear,
    "scale": _scale,
    "rotate": _rotate,
    "brightness": _brightness,
    "translate": _translate,
    "stripe": _stripe,
    "fog": _fog,
    "spatter": _spatter,
    "dotted line": _dotted_line,
    "zigzag": _zigzag,
    "canny edges": _canny_edges,
}


def _blur(images: np.ndarray, deviation: float) -> np.ndarray:
    return gaussian_filter(images, (0, deviation, deviation), mode="nearest")


def _turn(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _moved(images: np.ndarray, matrices: list[np.ndarray], shifts: np.ndarray | None = None) -> np.ndarray:
    """Each image around its middle, as its matrix says: from a (row, column) in the output to one in the input."""
    moved = np.empty_like(images)
    middle = np.full(2, _MIDDLE)
    for number, (image, matrix) in enumerate(zip(images, matrices, strict=True)):
        offset = middle - matrix @ middle + (0 if shifts is None else shifts[number])
        moved[number] = affine_transform(image, matrix, offset, order=1)
    return moved


def _plasma(count: int, roughness: float, generator: np.random.Generator) -> np.ndarray:
    """The corners ``(count, 28, 28)`` of plasma fractals of 256 pixels in ``[0, 1]``, by the diamond-square method.

    Each step fills in the points half-way, as the mean of four neighbours plus noise; at the edges it wraps around.
    """
    size = 256
    heights = np.zeros((count, size, size), dtype=np.float32)
    step, height = size, 100.0

    def noisy(sums: np.ndarray) -> np.ndarray:
        return sums / 4 + height * generator.uniform(-height, height, sums.shape).astype(np.float32)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, half::step] = noisy(pairs + np.roll(pairs, -1, axis=2))
        middles = heights[:, half::step, half::step]
        above = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=2)
        heights[:, ::step, half::step] = noisy(above)
        beside = middles + np.roll(middles, 1, axis=2) + corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, ::step] = noisy(beside)
        step, height = half, height / roughness
    heights -= heights.min(axis=(1, 2), keepdims=True)
    return (heights / heights.max(axis=(1, 2), keepdims=True))[:, :_SIDE, :_SIDE].astype(float)


def _line(first_column: float, first_row: float, last_column: float, last_row: float) -> np.ndarray:
    """A soft stroke ``(28, 28)`` between two points, darkest in its middle."""
    columns = np.arange(_SIDE)
    rows_on_line = first_row + (last_row - first_row) / (last_column - first_column) * (columns - first_column)
    distance = np.abs(np.arange(_SIDE)[:, None] - rows_on_line)
    ink = np.clip(1 + np.log(1 - np.minimum(distance, 2.3 - 1e-10) / 2.3), 0, 1)
    return ink * ((columns >= math.floor(first_column)) & (columns < math.ceil(last_column)))


def _zigzag_line(start: int, end: int) -> np.ndarray:
    """A stroke that goes from row ``start`` on the left to row ``end`` on the right in teeth of two by two pixels."""
    tooth, first_column, last_column = 2.0, 2, 25
    angle = math.atan((end - start) / (last_column - first_column))
    length = (last_column - first_column) / math.cos(angle)
    points = [(0.0, 0.0)]
    for number in range(int((length - tooth) // (2 * tooth)) + 1):
        points.append(((2 * number + 1) * tooth, (-1) ** number * tooth))
    rest = length - 2 * tooth * (length // (2 * tooth))
    if rest:
        points.append((length, points[-1][1] / (2 * rest)))
    columns, rows = _turn(angle) @ np.array(points).T + np.array([[first_column], [start]])
    strokes = [
        _line(columns[i - 1], rows[i - 1], columns[i], rows[i])
        for i in range(1, len(points))
        if columns[i - 1] != columns[i]
    ]
    return np.clip(sum(strokes), 0, 1)
