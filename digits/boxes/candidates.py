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
    order = found.scores.argsort()[::-1]
    boxes, scores, logits = found.boxes[order], found.scores[order], found.logits[order]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    is_left = np.ones(len(boxes), dtype=bool)
    kept, answers = [], []
    for number in range(len(boxes)):
        if not is_left[number]:
            continue
        low, high = np.maximum(boxes[number, :2], boxes[:, :2]), np.minimum(boxes[number, 2:], boxes[:, 2:])
        common = (high - low).clip(0).prod(axis=1)
        share = common / np.maximum(area + area[number] - common, 1e-6)
        weights = scores * (is_left & (share > 0.6) & (scores > 0.5 * scores[number]))
        weights[number] = scores[number]
        answers.append(weights @ logits / weights.sum())
        kept.append(number)
        is_left &= ~((share > 0.35) | (common > 0.65 * np.minimum(area, area[number])))
        is_left[number] = False
    return Candidates(boxes[kept], scores[kept], np.array(answers, dtype=np.float32).reshape(-1, 10))
