"""What pages are composed of, drawn once: digits, letters, words, signs and textures."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from digits.data.pages.strokes import draw_digit
from digits.errors import UserError

_HEIGHT = 72
"""Pixels of a typeface's line when digits are drawn."""
LETTERS = "abcdefhijkmnprtuvwxyACDEFGHJKLMNPQRTUVWXY?!&%@#$€£*"
"""Those that nobody takes for a digit, even alone."""
SIGNS = "+−×÷=:.,()[]<>%"
_WORDS = (  # noqa: SIM905 - a list of strings would take a page
    "name date total amount signature address phone account number street city order item price sum page form the "
    "and of to in is that for it was on are as with his they at be this from have or by one had not but what all "
    "were when we there can an your which their said if do will each about how up out them then she many some so "
    "these would other into has more her two like him see time could no make than first been its who now people "
    "my made over did down only way find use may water long little very after words called just where most know "
    "Pay Cash Bank Class Subject Teacher Exam Score Points Grade School University Invoice Receipt Tax Room Code"
).split()
_ENDINGS = ["e", "s", "t", "d", "n", "r", "y", "ing", "er", "ed", "es", "ly", "ion", "al"]
_PARTS = (  # noqa: SIM905 - a list of strings would take a page
    "ba co di fu ga he in jo ka lo mi ne or pa qu ri so ta un ve wi xa yo za st tr pl gr sh ch th"
).split()


@dataclass
class Sprites:
    """Pictures "L", ink high, cut to their ink.

    ``written`` holds for each digit a source's images ``(N, 28, 28)`` uint8, cut when they are used; ``drawn``
    for each digit some drawn ones, ``hands`` and ``prints`` a typeface's digits each. ``textures`` ``(256 or more, 256
    or more)`` uint8 show no writing.
    """

    written: list[np.ndarray]
    drawn: list[list[Image.Image]]
    hands: list[list[Image.Image]] = field(default_factory=list)
    prints: list[list[Image.Image]] = field(default_factory=list)
    letters: list[Image.Image] = field(default_factory=list)
    signs: list[Image.Image] = field(default_factory=list)
    words: list[Image.Image] = field(default_factory=list)
    hand_words: list[Image.Image] = field(default_factory=list)
    textures: list[np.ndarray] = field(default_factory=list)


def load_sprites(images: np.ndarray, labels: np.ndarray, typefaces: Path | None, seed: int = 0) -> Sprites:
    """Draw everything; ``images`` ``(N, 28, 28)`` uint8, ink high, with ``labels`` ``(N,)`` are the written digits.

    ``typefaces`` holds ``handwriting/`` and ``print/``; without it, Pillow's own typeface stands in for print.
    """
    dice = random.Random(seed)
    written = [images[labels == digit] for digit in range(10)]
    if any(len(of_digit) == 0 for of_digit in written):
        raise UserError("pages are composed of all ten digits, and some are missing in the data; give more of them")
    sprites = Sprites(written, [[draw_digit(digit, dice) for _ in range(150)] for digit in range(10)])
    faces: dict[str, list[ImageFont.FreeTypeFont]] = {"handwriting": [], "print": []}
    if typefaces is not None:
        for kind, fonts in faces.items():
            fonts += [
                ImageFont.truetype(path, _HEIGHT) for path in sorted((typefaces / kind).glob("*.[wto][ot][fto]*"))
            ]
    if not faces["print"]:
        faces["print"] = [ImageFont.load_default(_HEIGHT)]  # type: ignore[list-item]
    for kind, fonts in faces.items():
        is_print = kind == "print"
        for font in fonts:
            (sprites.prints if is_print else sprites.hands).append([_render(font, str(digit)) for digit in range(10)])
            sprites.letters += [_render(font, letter) for letter in dice.sample(LETTERS, 30)]
            sprites.signs += [_render(font, sign) for sign in SIGNS]
            words = [_render(font.font_variant(size=40), _phrase(dice)) for _ in range(40)]
            (sprites.words if is_print else sprites.hand_words).extend(words)
    for kept in (sprites.letters, sprites.signs, sprites.words, sprites.hand_words):
        kept[:] = [sprite for sprite in kept if min(sprite.size) > 1]
    sprites.hand_words = sprites.hand_words or sprites.words
    sprites.textures = _textures(seed)
    return sprites


def _phrase(dice: random.Random) -> str:
    words = []
    for _ in range(dice.choice([1, 1, 1, 2, 3, 5])):
        word = dice.choice(_WORDS) if dice.random() < 0.5 else "".join(dice.choices(_PARTS, k=dice.randint(1, 4)))
        if dice.random() < 0.3:
            word += dice.choice(_ENDINGS)
        words.append(dice.choice([word, word, word.capitalize(), word.upper()]))
    return " ".join(words) + dice.choice(["", "", "", ".", ":", ",", "?"])


def _render(font: ImageFont.FreeTypeFont, text: str) -> Image.Image:
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (max(1, round(right - left) + 4), max(1, round(bottom - top) + 4)))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=255, font=font)
    return image.crop(image.getbbox()) if image.getbbox() else Image.new("L", (1, 1))


def _textures(seed: int) -> list[np.ndarray]:
    """Noise of several scales and, where scikit-image brings them, photographs without writing."""
    generator = np.random.default_rng(seed)
    textures = []
    for number in range(24):
        total = np.zeros((384, 384), dtype=np.float32)
        roughness = 0.4 + 0.05 * (number % 12)
        for level in range(1, 8):
            side = (2**level, max(2, 2 ** (level - number % 3)))
            noise = Image.fromarray(generator.normal(size=side).astype(np.float32))
            total += roughness**level * np.asarray(noise.resize((384, 384), Image.Resampling.BICUBIC))
        low, high = np.quantile(total, [0.01, 0.99])
        textures.append((np.clip((total - low) / (high - low), 0, 1) * 255).astype(np.uint8))
    try:
        from skimage import data
    except ImportError:
        return textures
    for name in (
        "astronaut",
        "brick",
        "camera",
        "cell",
        "chelsea",
        "coffee",
        "coins",
        "grass",
        "gravel",
        "moon",
        "rocket",
    ):
        try:
            photo = Image.fromarray(getattr(data, name)()).convert("L")
        except (OSError, ModuleNotFoundError):  # not in the wheel, and nothing is downloaded for it
            continue
        for turn in range(3):
            textures.append(np.asarray(ImageOps.fit(photo.rotate(90 * turn, expand=True), (512, 512))))
    return textures
