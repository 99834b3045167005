"""From a picture to the digits on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy import ndimage

from digits.boxes import in_lines as order
from digits.boxes import strongest
from digits.classes import TEN_DIGITS, describe_classes
from digits.errors import UserError
from digits.onnx_network import OnnxNetwork
from digits.pictures import Picture, load_grey
from digits.recognition.finding import FinderMaps, find_digits, load_finder
from digits.recognition.judging import Judge
from digits.strokes import (
    Mark,
    center,
    digit_in,
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
MIN_CONFIDENCE = 0.3
"""What is less sure is rejected; chosen on composed pages. Of digits there that are read, one in a hundred is."""
_SEEN = 0.01
"""What is less sure to be a digit is not even reported as rejected."""
_TIGHTER = 0.1
"""By how much a box that is found must be surer than a mark's, which lies tight around the ink, to replace it."""
_UPRIGHT = 0.8
"""Where digits are read with less confidence on the average, the picture may lie on its side or its head."""
_BETTER = 1.5
"""So many times as much must a turned picture show."""
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

    ``digit`` is its place among ``class_names``, which is the digit itself where these are the ten digits. ``box``
    is left, top, right, bottom in pixels of the picture, ``runner_up`` the place of the second answer,
    ``probabilities`` those of all classes; ``confidence`` says that it is a digit at all and this one. ``crop``
    what the network saw, ``(28, 28)`` float32 in ``[0, 1]``, ink high. ``rejected`` says that it is probably no
    digit.
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
    """Reads the digits on pictures with a trained network.

    Args:
        model: What reads a digit in MNIST's form.
        joins: Let the networks that come along, which find digits and tell them from what is none, have a say in which
            digit it is too.

    """

    def __init__(self, model: Network, *, joins: bool = False) -> None:
        self.model = model
        self._joins = joins

    @classmethod
    def pretrained(cls) -> Recognizer:
        """With the network that comes with the package; raises UserError where torch is not installed."""
        try:
            from digits.recognition.pretrained import load_pretrained
        except ModuleNotFoundError as error:
            raise UserError(f"the network that comes along needs {error.name}; give an .onnx file instead") from None
        return cls(load_pretrained(), joins=True)

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
            if layout != "digit" and 0 < _mean_confidence(lines) < _UPRIGHT:
                lines = self._read_turned(grey, lines)
        kept = [[reading for reading in line if not reading.rejected] for line in lines]
        rejected = [reading for line in lines for reading in line if reading.rejected]
        return Page(width, height, [line for line in kept if line], rejected)

    @cached_property
    def judge(self) -> Judge:
        """What tells digits from what is none; which digit it is, a network of the user's own says alone."""
        judge = Judge.shipped(in_onnx=isinstance(self.model, OnnxNetwork))
        return judge if self._joins else replace(judge, box=0.0, digit=1.0)

    @cached_property
    def finder(self) -> FinderMaps:
        """What finds digits that no rule marks."""
        return load_finder(in_onnx=isinstance(self.model, OnnxNetwork))

    @property
    def _reads_digits(self) -> bool:
        return self.model.class_names == TEN_DIGITS

    def _read_page(self, grey: np.ndarray, layout: str) -> list[list[Reading]]:
        grey, shrunk = shrink(grey)
        ink, marks, angle = self._mark(grey, layout)
        boxes = [_turn_back(mark, angle, ink.shape, grey.shape) for line in in_lines(marks) for mark in line]
        crops = [_crop(mark, ink) for line in in_lines(marks) for mark in line]
        answers = self._probabilities(crops) if crops else np.zeros((0, 10), dtype=np.float32)
        found = find_digits(self.finder, grey).boxes
        boxes_seen = np.concatenate([np.array(boxes, dtype=np.float32).reshape(-1, 4), found])
        looks = self.judge.look(grey, boxes_seen)
        sure = self.judge.sureness(looks)
        is_asked_for = (layout == "digit") & (np.arange(len(sure)) < len(boxes))  # a digit, whatever it looks like
        possible = np.flatnonzero((sure > _SEEN) | is_asked_for)
        if len(possible) == 0:
            return []
        marked = possible[possible < len(boxes)]
        more = [digit_in(grey, boxes_seen[number]) for number in possible[len(marked) :].tolist()]
        answers = np.concatenate([answers[marked], self._probabilities(more)]) if more else answers[marked]
        crops = [*(crops[number] for number in marked.tolist()), *more]
        probabilities = self.judge.join(looks[possible], answers)
        confidences = sure[possible] * probabilities.max(axis=1)
        boxes_seen = boxes_seen[possible]
        if layout == "digit":  # the one that is surest and largest
            area = (boxes_seen[:, 2:] - boxes_seen[:, :2]).prod(axis=1)
            kept = np.array([int((confidences * np.sqrt(area)).argmax())])
        else:
            kept = strongest(boxes_seen, confidences + _TIGHTER * (possible < len(boxes)))
        readings = self._readings(
            probabilities[kept],
            confidences[kept],
            [_enlarged(tuple(box), shrunk) for box in boxes_seen[kept].tolist()],
            [crops[number] for number in kept.tolist()],
            least=0.0 if layout == "digit" else MIN_CONFIDENCE,
        )
        rejected = [reading for reading in readings if reading.rejected]
        read = [reading for reading in readings if not reading.rejected]
        lines = order(np.array([reading.box for reading in read], dtype=np.float32).reshape(-1, 4))
        return [*([read[number] for number in line] for line in lines), *([one] for one in rejected)]

    def _read_turned(self, grey: np.ndarray, upright: list[list[Reading]]) -> list[list[Reading]]:
        """What the picture shows where it lies on its side or its head, if that is far more than ``upright``."""
        ways = [upright]
        for quarters in (1, 2, 3):
            lines = self._read_page(np.ascontiguousarray(np.rot90(grey, quarters)), "page")
            ways.append(
                [[replace(one, box=_turn_quarters(one.box, quarters, grey.shape)) for one in line] for line in lines]
            )
        evidence = [sum(one.confidence**2 for line in lines for one in line if not one.rejected) for lines in ways]
        best = int(np.argmax(evidence))
        is_right_way_up = evidence[best] > _BETTER * evidence[0] and _mean_confidence(ways[best]) >= _UPRIGHT
        return ways[best] if is_right_way_up else upright

    def _mark(self, grey: np.ndarray, layout: str) -> tuple[np.ndarray, list[Mark], float]:
        """How dark it is, turned so that writing lies level, the marks on it, and by what angle it was turned."""
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
        return ink, self._separate(marks, ink), angle

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
        least = MIN_CONFIDENCE if self._reads_digits else 0.0  # O, o and 0 may well share it out among them
        return self._readings(probabilities, probabilities.max(axis=1), boxes, crops, least)

    def _readings(
        self,
        probabilities: np.ndarray,
        confidences: np.ndarray,
        boxes: list[tuple[int, int, int, int]],
        crops: list[np.ndarray],
        least: float,
    ) -> list[Reading]:
        answers = probabilities.argsort(axis=1)[:, :-3:-1].tolist()
        names = self.model.class_names
        return [
            Reading(first, confidence, second, tuple(row), box, crop, confidence < least, names)
            for (first, second), confidence, row, box, crop in zip(
                answers, confidences.tolist(), probabilities.tolist(), boxes, crops, strict=True
            )
        ]


def _mean_confidence(lines: list[list[Reading]]) -> float:
    read = [one.confidence for line in lines for one in line if not one.rejected]
    return float(np.mean(read)) if read else 0.0


def _turn_quarters(box: tuple[int, int, int, int], quarters: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """A box on a picture that was turned to the left by ``quarters``, on the picture of ``shape`` before that."""
    for turn in range(quarters, 0, -1):
        width = shape[turn % 2]
        left, top, right, bottom = box
        box = (width - bottom, left, width - top, right)
    return box


def _crop(mark: Mark, ink: np.ndarray) -> np.ndarray:
    return center(ink[mark.place], mark.strokes)


def _turn(picture: np.ndarray, angle: float) -> np.ndarray:
    """Turn what rises to the right by ``angle`` degrees level."""
    if angle == 0:
        return picture
    order = 0 if picture.dtype == bool else 1
    return ndimage.rotate(picture, -angle, reshape=True, order=order, mode="constant")


def _turn_back(
    mark: Mark, angle: float, turned: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[float, float, float, float]:
    """A mark's box in the picture before it was turned: left, top, right, bottom."""
    radians = np.radians(angle)
    rotation = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    corners = np.array([(row, column) for row in (mark.top, mark.bottom) for column in (mark.left, mark.right)])
    places = (corners - np.array(turned) / 2) @ rotation.T + np.array(shape) / 2
    low, high = np.maximum(places.min(axis=0), 0), np.minimum(places.max(axis=0), shape)
    return float(low[1]), float(low[0]), float(high[1]), float(high[0])


def _enlarged(box: tuple[float, ...], shrunk: float) -> tuple[int, int, int, int]:
    """A box in the picture as it came, which was shrunk so much."""
    left, top, right, bottom = (round(side / shrunk) for side in box)
    return left, top, right, bottom
