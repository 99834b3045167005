"""Images that show no digit, for measuring whether a recognizer knows."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter
from torch import Tensor

from digits.data import DataNotFoundError, find_source

# Without those that are drawn like a digit: I and l, O, S, Z.
LETTERS = "".join(sorted(set(string.ascii_letters) - set("IlOoSsZz")))
_FONTS = ("DejaVu*.ttf", "STIXGeneral*.ttf", "cm[brst]*10.ttf")
_COUNT = 1000


def non_digits(data_dir: Path) -> Iterator[tuple[str, Tensor]]:
    """The kinds that can be had here, each ``(N, 1, 28, 28)`` float32 in ``[0, 1]``, ink high.

    Clothes come from Fashion-MNIST and are left out where ``data_dir`` does not hold it.
    """
    yield "letters", _letters()
    generator = np.random.default_rng(0)
    yield "noise", _as_images(generator.random((_COUNT, 28, 28)))
    blobs = gaussian_filter(generator.standard_normal((_COUNT, 28, 28)), (0, 2, 2))
    yield "blobs", _as_images(np.clip(blobs * 8, 0, 1))
    yield "blank paper", _as_images(np.abs(generator.normal(0, 0.02, (_COUNT, 28, 28))))
    try:
        clothes = find_source("fashion").load(data_dir).test
    except DataNotFoundError:
        return
    assert clothes is not None
    yield "clothes", clothes.images.float() / 255


def _letters() -> Tensor:
    """Printed letters in matplotlib's fonts, as large as MNIST's digits."""
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    fonts = sorted(path for pattern in _FONTS for path in folder.glob(pattern) if "Display" not in path.name)
    drawn = [_draw(letter, ImageFont.truetype(str(font), 100)) for font in fonts for letter in LETTERS]
    return _as_images(np.stack(drawn))


def _draw(letter: str, font: ImageFont.FreeTypeFont) -> np.ndarray:
    """A letter ``(28, 28)`` whose longer side has 20 pixels, in the middle."""
    left, top, right, bottom = (int(edge) for edge in font.getbbox(letter))
    ink = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(ink).text((-left, -top), letter, fill=255, font=font)
    shrunk = 20 / max(ink.size)
    ink = ink.resize([max(1, round(side * shrunk)) for side in ink.size], Image.Resampling.LANCZOS)
    canvas = Image.new("L", (28, 28))
    canvas.paste(ink, ((28 - ink.width) // 2, (28 - ink.height) // 2))
    return np.asarray(canvas) / 255


def _as_images(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).float().unsqueeze(1)
