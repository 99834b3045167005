"""How well digits are found and read on pages whose truth is known."""

from __future__ import annotations

from itertools import compress

import numpy as np
import torch
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision
from torchmetrics.functional.text import char_error_rate
from torchvision.ops import box_iou

from digits.boxes import Candidates, in_lines
from digits.errors import UserError

_SAME = 0.4
"""Overlap, as intersection over union, from which a box is that of a digit."""


class PageFigures:
    """Gathers pages one by one and answers with figures over all of them."""

    def __init__(self) -> None:
        try:
            self._precision = MeanAveragePrecision()
        except ModuleNotFoundError:
            raise UserError("judging pages needs pycocotools, an extra: pip install 'digits[pages]'") from None
        self._read: list[str] = []
        self._written: list[str] = []
        self._pages = self._digits = self._invented = self._missed = 0

    def add(self, found: Candidates, boxes: Tensor, labels: Tensor, lines: Tensor, threshold: float) -> None:
        """Count a page; ``labels`` ``(M,)`` of its ``boxes`` ``(M, 4)`` are -1 for what does not matter."""
        boxes_found, scores = torch.from_numpy(found.boxes), torch.from_numpy(found.scores.astype(np.float32))
        answers = torch.from_numpy(found.logits).softmax(dim=1)
        digits = answers.argmax(dim=1) if len(found) else torch.zeros(0, dtype=torch.long)
        overlap = box_iou(boxes_found, boxes) if len(found) and len(boxes) else torch.zeros(len(found), len(boxes))
        matters = ~(overlap[:, labels < 0] > 0.2).any(dim=1) if len(boxes) else torch.ones(len(found), dtype=torch.bool)
        wanted = labels >= 0
        self._precision.update(
            [{"boxes": boxes_found[matters], "scores": scores[matters], "labels": digits[matters]}],
            [{"boxes": boxes[wanted], "labels": labels[wanted]}],
        )
        kept = matters & (scores > threshold)
        hits = overlap[kept][:, wanted] > _SAME
        self._pages += 1
        self._digits += int(wanted.sum())
        self._invented += int((~hits.any(dim=1)).sum())
        self._missed += int((~hits.any(dim=0)).sum())
        self._read.append(_text(boxes_found[kept], digits[kept]))
        self._written.append(_text(boxes[wanted], labels[wanted]))

    def figures(self) -> dict[str, float]:
        precision = self._precision.compute()
        shows_digits = [written != "" for written in self._written]
        read, written = (list(compress(texts, shows_digits)) for texts in (self._read, self._written))
        error = float(char_error_rate(read, written)) if written else 0.0
        return {
            "accuracy": max(0.0, 1 - error),
            "map": precision["map"].item(),
            "map_50": precision["map_50"].item(),
            "digit_error_rate": error,
            "invented_per_page": self._invented / max(1, self._pages),
            "missed": self._missed / max(1, self._digits),
            "count": float(self._digits),
        }


def _text(boxes: Tensor, digits: Tensor) -> str:
    """The digits of a page in reading order."""
    values = digits.tolist()
    return "\n".join("".join(str(values[number]) for number in line) for line in in_lines(boxes.numpy()))
