"""A page while it is written: sprites go onto it, and where digits stand is kept."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from digits.data.pages.sprites import Sprites

IGNORED = -1
"""Label of what is neither wanted nor unwanted: digits that the edge cuts, or too small to be read."""
_SMALLEST = 7.5
_TABLES = {
    (gain, strength): (((np.arange(256) - 128) * gain / 4 + 128).clip(0, 255) * strength / 20).astype(np.uint8).tolist()
    for gain in range(4, 17)
    for strength in range(12, 21)
}
"""What steepens strokes that were enlarged (by quarters) and makes them fainter (by twentieths)."""


class Canvas:
    """Ink ``(side, side)`` uint8 on a page turned by ``tilt`` degrees about its middle; coordinates are the page's.

    ``boxes`` are rows of left, top, right, bottom, label, line: the ink's bounds in the picture's pixels.
    """

    def __init__(self, side: int, sprites: Sprites, dice: random.Random, tilt: float) -> None:
        self.side = side
        self.sprites = sprites
        self.dice = dice
        self.tilt = tilt
        self.ink = np.zeros((side, side), dtype=np.uint8)
        self.rules = Image.new("L", (side, side))
        self._pen = ImageDraw.Draw(self.rules)
        self.boxes: list[tuple[float, float, float, float, int, int]] = []
        self._cos, self._sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
        self.slant = dice.gauss(0, 0.08)
        self.thickening = dice.choice([0, 0, 0, 0, 1, 1, -1])
        self._writer = self._choose_writer()

    def _choose_writer(self) -> list[list[Image.Image]] | None:
        """Whose digits the page shows: those of a source's images (None), drawn ones, or a typeface's."""
        chance = self.dice.random()
        if chance < 0.6:
            return None
        if chance < 0.75:
            return self.sprites.drawn
        faces = self.sprites.hands if chance < 0.92 and self.sprites.hands else self.sprites.prints
        return [[glyph] for glyph in self.dice.choice(faces)]

    def change_writer(self, printed: bool = False) -> None:
        if printed:
            self._writer = [[glyph] for glyph in self.dice.choice(self.sprites.prints)]
        else:
            self._writer = self._choose_writer()

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the page lies in the picture."""
        middle = self.side / 2
        x, y = x - middle, y - middle
        return middle + x * self._cos + y * self._sin, middle - x * self._sin + y * self._cos

    def digit(self, x: float, y: float, height: float, line: int = 0, digit: int | None = None) -> float:
        """Write a digit with its middle at (x, y); returns its width."""
        dice = self.dice
        digit = dice.randrange(10) if digit is None else digit
        if self._writer is None:
            sprite = Image.fromarray(dice.choice(self.sprites.written[digit]))
            sprite = sprite.crop(sprite.getbbox())
        else:
            sprite = dice.choice(self._writer[digit])
        height *= math.exp(dice.gauss(0, 0.06))
        aspect = math.exp(dice.gauss(0, 0.1))
        if sprite.height < 0.5 * sprite.width:  # a digit lying flat
            height *= 0.6
        width = height * sprite.width / sprite.height * aspect
        box = self._paste(
            sprite, x, y, width, height, dice.gauss(0, 3.5), self.slant, self.thickening, dice.uniform(0.75, 1)
        )
        if box is not None:
            left, top, right, bottom = box
            seen = self._clip(box)
            share = (seen[2] - seen[0]) * (seen[3] - seen[1]) / max(1, (right - left) * (bottom - top))
            is_whole = share > 0.94 and max(bottom - top, right - left) >= _SMALLEST
            if share > 0.05:
                self.boxes.append((*seen, digit if is_whole else IGNORED, line))
        return width

    def sprite(self, sprite: Image.Image, x: float, y: float, height: float, turn: float = 0.0) -> float:
        """Put what is no digit with its middle at (x, y); returns its width."""
        width = height * sprite.width / sprite.height
        self._paste(sprite, x, y, width, height, turn, self.slant, 0, self.dice.uniform(0.7, 1))
        return width

    def _clip(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        return max(0, box[0]), max(0, box[1]), min(self.side, box[2]), min(self.side, box[3])

    def _paste(
        self,
        sprite: Image.Image,
        x: float,
        y: float,
        width: float,
        height: float,
        turn: float,
        slant: float,
        thickening: int,
        strength: float,
    ) -> tuple[int, int, int, int] | None:
        """Add a sprite's ink; the bounds of the ink, beyond the edges too, None where nothing is in sight."""
        if height < 2 or width < 1:
            return None
        x, y = self.place(x, y)
        angle = math.radians(self.tilt + turn)
        cos, sin = math.cos(angle), math.sin(angle)
        reach_x = (abs(width * cos) + abs(height * sin) + abs(slant) * height) / 2 + 2
        reach_y = (abs(width * sin) + abs(height * cos)) / 2 + 2
        if x + reach_x < 0 or y + reach_y < 0 or x - reach_x > self.side or y - reach_y > self.side:
            return None
        shrink = max(1, int(sprite.height / height * 0.75))
        if shrink > 1:
            sprite = sprite.reduce(shrink)
        left, top = math.floor(x - reach_x), math.floor(y - reach_y)
        size = (math.ceil(2 * reach_x) + 1, math.ceil(2 * reach_y) + 1)
        # From the picture back to the sprite: turn back, lean back, scale.
        across, down = sprite.width / width, sprite.height / height
        a, b = (cos + slant * sin) * across, (-sin + slant * cos) * across
        d, e = sin * down, cos * down
        px, py = left + 0.5 - x, top + 0.5 - y
        c = a * px + b * py + sprite.width / 2 - 0.5 * a - 0.5 * b
        f = d * px + e * py + sprite.height / 2 - 0.5 * d - 0.5 * e
        drawn = sprite.transform(size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BICUBIC)
        if thickening and height > 20:
            drawn = drawn.filter(ImageFilter.MaxFilter(3) if thickening > 0 else ImageFilter.MinFilter(3))
        gain = max(1.0, min(4.0, 0.6 / across)) if sprite.height < 60 else 1.0
        drawn = drawn.point(_TABLES[round(4 * gain), round(20 * strength)])
        patch = np.asarray(drawn)
        inked = patch > 80
        rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
        if len(rows) == 0:
            return None
        x0, y0, x1, y1 = max(0, left), max(0, top), min(self.side, left + size[0]), min(self.side, top + size[1])
        if x1 <= x0 or y1 <= y0:
            return None
        spot = self.ink[y0:y1, x0:x1]
        np.maximum(spot, patch[y0 - top : y1 - top, x0 - left : x1 - left], out=spot)
        return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1

    def rule(self, x0: float, y0: float, x1: float, y1: float, width: float, strength: float = 1.0) -> None:
        """Draw a straight line."""
        value = round(255 * strength)
        self._pen.line((*self.place(x0, y0), *self.place(x1, y1)), fill=value, width=max(1, round(width)))

    def frame(self, x0: float, y0: float, x1: float, y1: float, width: float, strength: float = 1.0) -> None:
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        for (a, b), (c, d) in pairwise(corners):
            self.rule(a, b, c, d, width, strength)

    def path(self, points: list[tuple[float, float]], width: float, strength: float = 1.0) -> None:
        """Draw a line through points, as a pen does."""
        places = [self.place(*point) for point in points]
        self._pen.line(places, fill=round(255 * strength), width=max(1, round(width)), joint="curve")

    def blob(self, x: float, y: float, across: float, down: float, strength: float) -> None:
        x, y = self.place(x, y)
        self._pen.ellipse((x - across, y - down, x + across, y + down), fill=round(255 * strength))
