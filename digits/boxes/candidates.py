"""What a finder's maps say: boxes that may hold a digit, each once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

STRIDE = 4
"""Pixels of the page for each place of the maps."""
UNIT = 16.0
"""Distances to a box's sides are told in so many pixels, as logarithms."""
_LEAST = 0.08
"""Fainter peaks are not even candidates."""
_SIZES = (9.0, 150.0)
"""Pixels between which the longer side of a box lies where a digit is found best."""
_MOST = 600
"""Candidates of a page that are looked at, the strongest first."""


@dataclass(frozen=True)
class Candidates:
    """Boxes that may hold a digit.

    ``boxes`` ``(N, 4)`` float32 are left, top, right, bottom in pixels, ``scores`` ``(N,)`` say in 0…1 how sure the
    finder is, ``logits`` ``(N, 10)`` which digit.
    """

    boxes: np.ndarray
    scores: np.ndarray
    logits: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


def decode(maps: np.ndarray, shape: tuple[int, int], margin: int = 0) -> Candidates:
    """The peaks of ``maps`` ``(15, h, w)`` for a picture of ``shape`` with ``margin`` pixels around it.

    Channel 0 is the logit of "a digit's middle is here", 1 to 10 are the logits of the digits, 11 to 14 the logarithms
    of the distances to the box's left, top, right and bottom side.
    """
    heat = 1 / (1 + np.exp(-maps[0].clip(-50, 50)))
    peaks = (heat > _LEAST) & (heat == ndimage.maximum_filter(heat, 3, mode="constant"))
    rows, columns = np.nonzero(peaks)
    scores = heat[rows, columns]
    middles = (np.stack([columns, rows], axis=1) + 0.5) * STRIDE - margin
    reach = UNIT * np.exp(maps[11:15, rows, columns].T.clip(-5, 4))
    boxes = np.concatenate([middles - reach[:, :2], middles + reach[:, 2:]], axis=1)
    longest = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    is_inside = ((middles > 0) & (middles < np.array(shape)[::-1])).all(axis=1)
    kept = np.flatnonzero(is_inside & (longest >= _SIZES[0]) & (longest <= _SIZES[1]))
    kept = kept[scores[kept].argsort()[::-1][:_MOST]]
    boxes = boxes[kept].clip(0, [shape[1], shape[0]] * 2)
    return Candidates(boxes.astype(np.float32), scores[kept], maps[1:11, rows[kept], columns[kept]].T)


def unite(found: Candidates) -> Candidates:
    """Of boxes that cover each other the strongest, with the mean of the logits of all that lie alike."""
    kept, answers = strongest(found.boxes, found.scores), []
    for number in kept:
        share, _ = _overlaps(found.boxes, number)
        weights = found.scores * ((share > 0.6) & (found.scores > 0.5 * found.scores[number]))
        answers.append(weights @ found.logits / weights.sum())
    logits = np.array(answers, dtype=np.float32).reshape(-1, 10)
    return Candidates(found.boxes[kept], found.scores[kept], logits)


def strongest(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The numbers of those of ``boxes`` ``(N, 4)`` that no stronger one covers or lies within, the strongest first."""
    is_left = np.ones(len(boxes), dtype=bool)
    kept = []
    for number in scores.argsort()[::-1]:
        if is_left[number]:
            kept.append(int(number))
            share, covered = _overlaps(boxes, number)
            is_left &= ~((share > 0.35) | (covered > 0.45))
    return np.array(kept, dtype=np.int64)


def _overlaps(boxes: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Of every box with one of them: intersection over union, and over the smaller of the two."""
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    low, high = np.maximum(boxes[number, :2], boxes[:, :2]), np.minimum(boxes[number, 2:], boxes[:, 2:])
    common = (high - low).clip(0).prod(axis=1)
    smaller = np.minimum(area, area[number])
    return common / np.maximum(area + area[number] - common, 1e-6), common / np.maximum(smaller, 1e-6)
