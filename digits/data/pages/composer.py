"""Pages of handwriting as a camera, a scanner or a drawing program shows them, composed by the thousand."""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from digits.data.pages.canvas import Canvas
from digits.data.pages.layouts import LAYOUTS, ruling, scribble, shape, specks
from digits.data.pages.sprites import Sprites
from digits.seeding import derive_seed

_GRAIN = 512


@dataclass(frozen=True)
class ComposedPage:
    """A page ``(side, side)`` uint8 in grey and the digits on it.

    ``boxes`` ``(N, 4)`` float32: left, top, right, bottom in pixels; ``labels`` ``(N,)`` int64, -1 for what is neither
    wanted nor unwanted; ``lines`` ``(N,)`` int64 numbers the lines from the top.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    lines: np.ndarray
    kind: str


class Composer:
    """Composes page number ``index``: a function of the seed and the number alone.

    Args:
        sprites: What pages are composed of.
        side: Pixels along each side of a page.
        seed: Of everything that is drawn by lot.

    """

    def __init__(self, sprites: Sprites, side: int = 256, seed: int = 0) -> None:
        self.sprites = sprites
        self.side = side
        self.seed = seed
        noise = np.random.default_rng(0).normal(size=(_GRAIN + side, _GRAIN + side)).astype(np.float32)
        coarse = _blurred(noise)
        self._grains = (noise, coarse)

    def __call__(self, index: int) -> ComposedPage:
        dice = random.Random(derive_seed(self.seed, index))
        kind = dice.choices(list(LAYOUTS), [share for share, _ in LAYOUTS.values()])[0]
        tilt = dice.choice([0.0, dice.gauss(0, 2), dice.gauss(0, 5), dice.uniform(-22, 22)])
        canvas = Canvas(self.side, self.sprites, dice, tilt)
        LAYOUTS[kind][1](canvas)
        if kind not in ("lines", "grid") and dice.random() < 0.15:
            ruling(canvas, math.exp(dice.uniform(math.log(9), math.log(80))))
        if dice.random() < 0.06:
            scribble(canvas)
        if dice.random() < 0.06:
            shape(canvas)
        if dice.random() < 0.1:
            specks(canvas)
        boxes = np.array(canvas.boxes, dtype=np.float32).reshape(-1, 6)
        image, boxes = self._photograph(canvas, boxes, dice, is_empty=kind == "nothing" and not canvas.ink.any())
        labels = boxes[:, 4].astype(np.int64)
        return ComposedPage(image, boxes[:, :4], labels, boxes[:, 5].astype(np.int64), kind)

    def _photograph(
        self, canvas: Canvas, boxes: np.ndarray, dice: random.Random, *, is_empty: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The page as it is seen: paper, light, a camera's faults."""
        side = self.side
        rules = np.asarray(canvas.rules.filter(ImageFilter.GaussianBlur(0.5)) if dice.random() < 0.7 else canvas.rules)
        ink = Image.fromarray(np.maximum(canvas.ink, rules))
        softness = dice.choice([0, 0, 0, dice.uniform(0.3, 0.9), dice.uniform(0.5, 1.6)])
        heights = [float(box[3] - box[1]) for box in boxes if box[4] >= 0]
        smallest = min(heights, default=30)
        if softness and smallest > 14:
            ink = ink.filter(ImageFilter.GaussianBlur(softness * min(2.0, smallest / 25)))
        inked = np.asarray(ink, dtype=np.float32) / 255
        if dice.random() < 0.12:  # a dry pen, a print that breaks
            inked = inked * (0.35 + 0.65 * (self._grain(dice, 1) * 0.8 > dice.uniform(-1.6, -0.6)))
        is_digital = dice.random() < 0.2
        level = 1.0 if is_digital else dice.choice([dice.uniform(0.3, 1.0), dice.uniform(0.7, 1.0)])
        contrast = dice.choice([dice.uniform(0.5, 1.0), dice.uniform(0.6, 1.0), dice.uniform(0.18, 0.6)])
        contrast = 1.0 if is_digital else contrast
        paper = np.full((side, side), level, dtype=np.float32)
        if not is_digital:
            if dice.random() < 0.75:
                paper *= self._light(dice)
            if dice.random() < (0.7 if is_empty else 0.15):
                texture = self._texture(dice)
                depth = dice.uniform(0.3, 1.0) if is_empty else dice.uniform(0.05, 0.5) * contrast
                paper *= 1 - depth * texture
            if dice.random() < 0.12:
                paper = self._lay_on_table(paper, dice, boxes)
        picture = paper * (1 - contrast * inked)
        if not is_digital:
            grain = dice.choice([0.0, dice.uniform(0, 0.03), dice.uniform(0, 0.12)]) * min(1.0, 2 * contrast)
            if grain:
                picture += grain * level * self._grain(dice, dice.choice([0, 0, 1]))
        if dice.random() < 0.22:
            picture = 1 - picture
            if dice.random() < 0.5:
                picture = dice.uniform(0, 0.25) + picture * 0.75
        elif dice.random() < 0.3:
            low, high = dice.uniform(0, 0.2), dice.uniform(0.75, 1)
            picture = low + (high - low) * picture
        image = Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8))
        if dice.random() < 0.14:  # a small picture, enlarged
            share = max(dice.uniform(8, 16) / max(smallest, 8), 1 / 16)
            if share < 0.9:
                small = max(8, round(share * side))
                image = image.resize((small, small), dice.choice([Image.Resampling.BOX, Image.Resampling.BICUBIC]))
                enlarging = [Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]
                image = image.resize((side, side), dice.choice(enlarging))
        if dice.random() < 0.35:
            content = io.BytesIO()
            image.save(content, "JPEG", quality=dice.randint(12, 85))
            image = Image.open(content)
        return np.asarray(image), boxes

    def _grain(self, dice: random.Random, kind: int) -> np.ndarray:
        top, left = dice.randrange(_GRAIN), dice.randrange(_GRAIN)
        return self._grains[kind][top : top + self.side, left : left + self.side]

    def _light(self, dice: random.Random) -> np.ndarray:
        """Uneven light, and at times the edge of a shadow: 0…1."""
        depth = dice.choice([dice.uniform(0, 0.25), dice.uniform(0.1, 0.65)])
        values = np.array([dice.random() for _ in range(9)], dtype=np.float32).reshape(3, 3)
        light = np.asarray(Image.fromarray(values).resize((self.side, self.side), Image.Resampling.BICUBIC))
        light = 1 - depth * light.clip(0, 1)
        if dice.random() < 0.15:
            small = Image.new("L", (64, 64))
            corners = [(dice.uniform(-20, 84), dice.uniform(-20, 84)) for _ in range(dice.randint(3, 5))]
            ImageDraw.Draw(small).polygon(corners, fill=255)
            small = small.filter(ImageFilter.GaussianBlur(dice.uniform(0.3, 5))).resize((self.side, self.side))
            light = light * (1 - dice.uniform(0.1, 0.55) * np.asarray(small, dtype=np.float32) / 255)
        return light

    def _texture(self, dice: random.Random) -> np.ndarray:
        """A piece of something that shows no writing: 0…1."""
        texture = dice.choice(self.sprites.textures)
        size = round(min(texture.shape) * dice.uniform(0.15, 1))
        top, left = dice.randint(0, texture.shape[0] - size), dice.randint(0, texture.shape[1] - size)
        piece = Image.fromarray(texture[top : top + size, left : left + size])
        values = np.asarray(piece.resize((self.side, self.side), Image.Resampling.BILINEAR), dtype=np.float32) / 255
        return 1 - values if dice.random() < 0.5 else values

    def _lay_on_table(self, paper: np.ndarray, dice: random.Random, boxes: np.ndarray) -> np.ndarray:
        """Beside the sheet, where no digit stands, lies something darker or lighter."""
        side, margin = self.side, 4
        bounds = [0.0, 0.0, side, side]
        if len(boxes):
            bounds = [*(boxes[:, :2].min(axis=0) - margin), *(boxes[:, 2:4].max(axis=0) + margin)]
        left, top = (dice.uniform(0, max(0, edge)) if dice.random() < 0.6 else -1 for edge in bounds[:2])
        right, bottom = (
            dice.uniform(min(side, edge), side) if dice.random() < 0.6 else side + 1 for edge in bounds[2:]
        )
        sheet = Image.new("L", (side, side))
        ImageDraw.Draw(sheet).rectangle((left, top, right, bottom), fill=255)
        on_sheet = np.asarray(sheet.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float32) / 255
        table = dice.uniform(0.05, 1.0) * (0.3 + 0.7 * self._texture(dice))
        return paper * on_sheet + table * (1 - on_sheet)


def _blurred(noise: np.ndarray) -> np.ndarray:
    """Grain of a few pixels, of deviation 1."""
    shifted = [np.roll(noise, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return np.stack(shifted).sum(axis=0, dtype=np.float32) / np.float32(3)
