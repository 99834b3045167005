"""From a picture to the digits on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy import ndimage

from digits.classes import TEN_DIGITS, describe_classes
from digits.errors import UserError
from digits.onnx_network import OnnxNetwork
from digits.pictures import Picture, load_grey
from digits.strokes import (
    Mark,
    center,
    erase_rules,
    find_ink,
    find_marks,
    in_lines,
    join,
    line_angle,
    rule_angle,
    shrink,
    single_character,
    split,
    usual_height,
)

LAYOUTS = ("auto", "digit", "page")
_LEAST_CONFIDENCE = 0.5
_WIDE = 1.1
"""A mark that is this many times as wide as high may be several digits that touch."""
_NARROWEST = 4
"""A piece of a cut is at least so many pixels wide."""
_COST_OF_A_CUT = 0.1
"""By how much a cut must raise the least confidence."""
_MOST_CUT = 100
"""More marks that may be several digits are a pattern; only the widest are cut, so that no picture takes forever."""


@dataclass(frozen=True)
class Reading:
    """One digit, or character of another alphabet, that was read.

    ``digit`` is its place among ``class_names``, which is the digit itself where these are the ten digits. ``box`` is
    left, top, right, bottom in pixels of the picture, ``runner_up`` the place of the second answer, ``probabilities``
    those of all classes, ``crop`` what the network saw, ``(28, 28)`` float32 in ``[0, 1]``, ink high. ``rejected``
    says that it is probably no digit.
    """

    digit: int
    confidence: float
    runner_up: int
    probabilities: tuple[float, ...]
    box: tuple[int, int, int, int]
    crop: np.ndarray
    rejected: bool
    class_names: tuple[str, ...] = TEN_DIGITS

    @property
    def label(self) -> str:
        """What was read: the name of the class."""
        return self.class_names[self.digit]


@dataclass(frozen=True)
class Page:
    """What is written on a picture: ``lines`` from the top, each from the left, without what was rejected."""

    width: int
    height: int
    lines: list[list[Reading]]
    rejected: list[Reading]

    @property
    def text(self) -> str:
        """What was read, a line each."""
        return "\n".join("".join(reading.label for reading in line) for line in self.lines)

    def as_json(self, name: str, *, with_probabilities: bool = False) -> dict[str, Any]:
        """What ``recognize --format json`` and the server answer; on demand with the probabilities of all classes."""
        lines = [[_as_json(reading, with_probabilities) for reading in line] for line in self.lines]
        return {
            "image": name,
            "width": self.width,
            "height": self.height,
            "text": self.text.splitlines(),
            "lines": lines,
        }


def _as_json(reading: Reading, with_probabilities: bool) -> dict[str, Any]:
    is_digit = reading.class_names == TEN_DIGITS
    answer: dict[str, Any] = {"digit": reading.digit} if is_digit else {"label": reading.label}
    answer |= {"confidence": round(reading.confidence, 4), "box": list(reading.box)}
    if with_probabilities:
        rounded = [round(probability, 4) for probability in reading.probabilities]
        answer["probabilities"] = rounded if is_digit else dict(zip(reading.class_names, rounded, strict=True))
    return answer


class Network(Protocol):
    """What a Recognizer reads with: a model in torch, or an ``OnnxNetwork``, which needs no torch."""

    class_names: tuple[str, ...]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """``(N, classes)`` float32 for ``images`` ``(N, 1, 28, 28)`` float32 in ``[0, 1]``, ink high."""
        ...


class Recognizer:
    """Reads the digits on pictures with a trained network."""

    def __init__(self, model: Network) -> None:
        self.model = model

    @classmethod
    def pretrained(cls) -> Recognizer:
        """With the network that comes with the package; raises UserError where torch is not installed."""
        try:
            from digits.recognition.pretrained import load_pretrained
        except ModuleNotFoundError as error:
            raise UserError(f"the network that comes along needs {error.name}; give an .onnx file instead") from None
        return cls(load_pretrained())

    @classmethod
    def from_checkpoint(cls, path: str | Path, threads: int | None = None) -> Recognizer:
        """With a network that ``fit`` trained or ``export`` wrote; only the latter's .onnx needs no torch.

        ``threads`` limits what an .onnx uses; torch has a setting of its own. Raises UserError where the file is none.
        """
        path = Path(path)
        if path.suffix == ".onnx":
            return cls(OnnxNetwork(path, threads))
        try:
            from digits.models import open_model
        except ModuleNotFoundError as error:
            raise UserError(f"{path} needs {error.name}; give an .onnx file instead") from None
        return cls(open_model(path))

    def check(self) -> None:
        """Raise UserError where the network gives no numbers even for blank paper, before anybody sends a picture."""
        self._probabilities([np.zeros((28, 28), np.float32)])

    def read(self, picture: Picture, layout: str = "auto") -> Page:
        """Read a picture: a path, the bytes of a file, a Pillow image, or an array.

        ``layout`` is "digit" for a picture that shows one, "page" for digits anywhere on it; "auto" takes a picture of
        28×28 pixels for MNIST's kind of digit, which is read as it is. A network with another alphabet than the digits
        reads pictures of one character only, which "auto" takes every picture for, and brings them into the form that
        the source ``folder`` brings its own into. Where there is no ink there is no digit, in any layout. Raises
        UserError where there is no picture.
        """
        if layout not in LAYOUTS:
            raise UserError(f"unknown layout {layout!r}; choose from: {', '.join(LAYOUTS)}")
        if layout == "page" and not self._reads_digits:
            raise UserError(
                f"pages are read with networks of ten digits; this one has {describe_classes(self.model.class_names)}: "
                "show it one character a picture, with the layout digit"
            )
        grey = load_grey(picture)
        height, width = grey.shape
        if not self._reads_digits or (grey.shape == (28, 28) and layout == "auto"):
            found = single_character(grey)
            lines = [] if found is None else [self._classify([found[0]], [found[1]])]
        else:
            lines = self._read_page(grey, layout)
        kept = [[reading for reading in line if not reading.rejected] for line in lines]
        rejected = [reading for line in lines for reading in line if reading.rejected]
        return Page(width, height, [line for line in kept if line], rejected)

    @property
    def _reads_digits(self) -> bool:
        return self.model.class_names == TEN_DIGITS

    def _read_page(self, grey: np.ndarray, layout: str) -> list[list[Reading]]:
        grey, shrunk = shrink(grey)
        ink, mask = find_ink(grey)
        angle = rule_angle(mask)
        if angle is None:
            marks = find_marks(mask, ink)
            angle = line_angle(marks) if layout != "digit" else 0.0
            if angle:
                ink, mask = _turn(ink, angle), _turn(mask, angle)
                marks = find_marks(mask, ink)
        else:
            ink, mask = _turn(ink, angle), erase_rules(_turn(mask, angle))
            marks = find_marks(mask, ink)
        if layout == "digit" and marks:
            marks = [join(marks)]
        marks = self._separate(marks, ink)
        lines = in_lines(marks)
        boxes = [_turn_back(mark, angle, ink.shape, grey.shape, shrunk) for line in lines for mark in line]
        readings = iter(self._classify([_crop(mark, ink) for line in lines for mark in line], boxes))
        return [[next(readings) for _ in line] for line in lines]

    def _separate(self, marks: list[Mark], ink: np.ndarray) -> list[Mark]:
        """Cut marks that are several digits in a row where the network reads the pieces better than the whole."""
        usual = usual_height(marks)
        wide = [mark for mark in marks if mark.width >= _WIDE * mark.height and mark.height >= 0.5 * usual]
        widest = {id(mark) for mark in sorted(wide, key=lambda mark: mark.width, reverse=True)[:_MOST_CUT]}
        separate: list[Mark] = []
        for mark in marks:
            if id(mark) not in widest:
                separate.append(mark)
                continue
            most = min(6, round(mark.width / (0.5 * mark.height)), mark.width // _NARROWEST)
            ways = [[mark], *(split(mark, count) for count in range(2, most + 1))]
            crops = [_crop(piece, ink) for way in ways for piece in way]
            confidences = iter(self._probabilities(crops).max(axis=1).tolist())
            scores = [min(next(confidences) for _ in way) - _COST_OF_A_CUT * (len(way) - 1) for way in ways]
            separate += ways[int(np.argmax(scores))]
        return separate

    def _probabilities(self, crops: list[np.ndarray]) -> np.ndarray:
        probabilities = self.model.probabilities(np.stack(crops)[:, None])
        if not np.isfinite(probabilities).all():
            raise UserError("the network answers with NaN; its weights are too large to count with, so train it anew")
        return probabilities

    def _classify(self, crops: list[np.ndarray], boxes: list[tuple[int, int, int, int]]) -> list[Reading]:
        if not crops:
            return []
        probabilities = self._probabilities(crops)
        answers = probabilities.argsort(axis=1)[:, :-3:-1].tolist()
        least = _LEAST_CONFIDENCE if self._reads_digits else 0.0  # O, o and 0 may well share it out among them
        names = self.model.class_names
        return [
            Reading(first, row[first], second, tuple(row), box, crop, row[first] < least, names)
            for (first, second), row, box, crop in zip(answers, probabilities.tolist(), boxes, crops, strict=True)
        ]


def _crop(mark: Mark, ink: np.ndarray) -> np.ndarray:
    return center(ink[mark.place], mark.strokes)


def _turn(picture: np.ndarray, angle: float) -> np.ndarray:
    """Turn what rises to the right by ``angle`` degrees level."""
    if angle == 0:
        return picture
    order = 0 if picture.dtype == bool else 1
    return ndimage.rotate(picture, -angle, reshape=True, order=order, mode="constant")


def _turn_back(
    mark: Mark, angle: float, turned: tuple[int, ...], shape: tuple[int, ...], shrunk: float
) -> tuple[int, int, int, int]:
    """A mark's box in the picture as it came: left, top, right, bottom."""
    radians = np.radians(angle)
    rotation = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    corners = np.array([(row, column) for row in (mark.top, mark.bottom) for column in (mark.left, mark.right)])
    places = (corners - np.array(turned) / 2) @ rotation.T + np.array(shape) / 2
    low, high = np.maximum(places.min(axis=0), 0) / shrunk, np.minimum(places.max(axis=0), shape) / shrunk
    return round(low[1]), round(low[0]), round(high[1]), round(high[0])
