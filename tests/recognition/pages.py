"""Pages of handwriting composed of MNIST's test digits, as a camera might see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage


@dataclass(frozen=True)
class Page:
    """How a page looks; sizes in pixels, tilt in degrees."""

    digits: int = 30
    size: int = 40
    per_line: int = 10
    tilt: float = 0.0
    noise: float = 0.0
    shadow: float = 0.0
    rules: str = ""
    ink: tuple[int, int, int] = (30, 30, 60)
    paper: tuple[int, int, int] = (235, 232, 225)
    seed: int = 0


def compose(page: Page, images: np.ndarray, labels: np.ndarray) -> tuple[Image.Image, list[str]]:
    """Draw ``page`` with digits drawn from ``images`` ``(N, 28, 28)`` uint8; the picture, and what its lines say.

    A digit's 20 pixels become ``page.size``. ``rules`` is "" for blank paper, "lines" or "squares".
    """
    generator = np.random.default_rng(page.seed)
    cell = round(page.size * 1.5)
    lines = -(-page.digits // page.per_line)
    margin = cell + round(abs(np.sin(np.radians(page.tilt))) * cell * page.per_line / 2)
    height, width = lines * round(cell * 1.2) + 2 * margin, min(page.digits, page.per_line) * cell + 2 * margin
    ink = np.zeros((height, width), dtype=np.float32)
    written = []
    side = round(28 * page.size / 20)
    for line in range(lines):
        text = ""
        for place in range(min(page.per_line, page.digits - line * page.per_line)):
            number = generator.integers(len(images))
            digit = Image.fromarray(images[number]).resize((side, side), Image.Resampling.BICUBIC)
            jitter = generator.uniform(-0.06, 0.06, 2) * page.size
            top = round(margin + line * round(cell * 1.2) + jitter[0])
            left = round(margin + place * cell + jitter[1] + (cell - side) / 2)
            spot = ink[top : top + side, left : left + side]
            np.maximum(spot, np.asarray(digit, dtype=np.float32)[: spot.shape[0], : spot.shape[1]] / 255, out=spot)
            text += str(labels[number])
        written.append(text)
    ink = ndimage.rotate(ink, page.tilt, reshape=False, order=1)
    ruled = _rules(page, height, width, round(cell * 1.2))
    paper, colour = np.array(page.paper, dtype=np.float32), np.array(page.ink, dtype=np.float32)
    picture = paper * (1 - 0.35 * ruled[..., None] * np.array([1.0, 0.7, 0.4]))
    picture = picture * (1 - ink[..., None]) + colour * ink[..., None]
    if page.shadow:
        rows, columns = np.mgrid[:height, :width]
        edge = ndimage.gaussian_filter((columns + 0.4 * rows > 0.6 * width).astype(np.float32), page.size / 3)
        picture *= (1 - page.shadow * edge * (0.6 + 0.4 * rows / height))[..., None]
    picture += generator.normal(0, page.noise * 255, picture.shape)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8)), written


def _rules(page: Page, height: int, width: int, spacing: int) -> np.ndarray:
    rules = np.zeros((height, width), dtype=np.float32)
    thickness = max(1, page.size // 30)
    if page.rules:
        for offset in range(thickness):
            rules[offset::spacing] = 1
            if page.rules == "squares":
                rules[:, offset::spacing] = 1
    return ndimage.rotate(rules, page.tilt, reshape=False, order=1, mode="mirror")


def sheet(images: np.ndarray, labels: np.ndarray, *, separators: bool, seed: int = 0) -> tuple[Image.Image, list[str]]:
    """A sheet of ten by ten digits in cells of 28 pixels, enlarged twice, with grey lines between them or without."""
    generator = np.random.default_rng(seed)
    chosen = generator.integers(len(images), size=(10, 10))
    cell = 32 if separators else 28
    canvas = np.zeros((10 * cell, 10 * cell), dtype=np.uint8)
    if separators:
        canvas[::cell] = canvas[:, ::cell] = 128
    for row, column in np.ndindex(10, 10):
        margin = (cell - 28) // 2
        top, left = row * cell + margin, column * cell + margin
        spot = canvas[top : top + 28, left : left + 28]
        np.maximum(spot, images[chosen[row, column]], out=spot)
    picture = Image.fromarray(255 - canvas)
    written = ["".join(str(labels[number]) for number in row) for row in chosen]
    return picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.BICUBIC), written
