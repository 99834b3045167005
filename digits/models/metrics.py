"""What is measured, from every prediction of an evaluation at once.

An evaluation keeps the logits of all its samples (400 kB for 10,000) and computes every figure from them at the end.
That costs nothing a step, makes a figure independent of how samples were spread over batches and devices, and
leaves the predictions themselves for pictures and files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)
from torchmetrics.utilities.distributed import gather_all_tensors

from digits.classes import TEN_DIGITS
from digits.errors import UserError

_STEPS_AT_ONCE = 64


@dataclass(frozen=True)
class Predictions:
    """The outcome of an evaluation on the CPU, ordered by index.

    ``indices`` ``(N,)`` int64 are rows of the evaluated set, ``logits`` is ``(N, classes)`` float32, ``labels``
    ``(N,)`` int64 is the truth, -1 where it is unknown. ``class_names`` say what the columns stand for.
    """

    indices: Tensor
    logits: Tensor
    labels: Tensor
    class_names: tuple[str, ...] = TEN_DIGITS

    @property
    def num_classes(self) -> int:
        return self.logits.shape[1]

    @property
    def probabilities(self) -> Tensor:
        """``(N, classes)`` float32; each row sums to 1."""
        return self.logits.softmax(dim=1)

    def checked(self) -> Predictions:
        """These; raises UserError where answers are no numbers, which every figure would be computed from."""
        if not bool(self.probabilities.isfinite().all()):
            raise UserError("the network answers with NaN; its weights are too large to count with, so train it anew")
        return self

    @property
    def confusion_matrix(self) -> Tensor:
        """``(classes, classes)`` int64; row: truth, column: prediction."""
        return multiclass_confusion_matrix(self.logits, self.labels, self.num_classes)

    def names_of(self, labels: Tensor) -> list[str]:
        """The names of the classes ``labels`` ``(N,)``."""
        return [self.class_names[label] for label in labels.tolist()]

    def scaled(self, temperature: float) -> Predictions:
        """The same answers with the logits divided by ``temperature``."""
        return replace(self, logits=self.logits / temperature)

    def coverage(self, accuracy: float) -> float:
        """The largest share of the images, the most confident ones, of which that ``accuracy`` is reached.

        What a recognizer that may decline answers, and is still that often right on what it answers (El-Yaniv and
        Wiener 2010).
        """
        confidences, answers = self.logits.double().softmax(dim=1).max(dim=1)
        right = (answers == self.labels)[confidences.argsort(descending=True, stable=True)]
        counts = torch.arange(1, len(right) + 1)
        enough = (right.cumsum(0) >= accuracy * counts).nonzero()
        return 0.0 if len(enough) == 0 else (int(enough[-1]) + 1) / len(right)

    def figures(self) -> dict[str, float]:
        """Every figure by its name: accuracy (overall and of each class), macro F1, loss, calibration error, count.

        ``loss`` is the mean cross-entropy in nats without label smoothing; ``ece`` the expected calibration error
        over 15 bins (Guo et al. 2017, section 2); ``coverage_at_0.999`` the share that is answered when the least
        confident answers are withheld until 99.9 % of the others are right.
        """
        logits, labels = self.logits.double(), self.labels
        figures = {
            "accuracy": multiclass_accuracy(logits, labels, self.num_classes, average="micro"),
            "loss": F.cross_entropy(logits, labels),
            "f1": multiclass_f1_score(logits, labels, self.num_classes, average="macro"),
            "ece": multiclass_calibration_error(logits.softmax(dim=1), labels, self.num_classes, n_bins=15),
        }
        by_class = multiclass_accuracy(logits, labels, self.num_classes, average=None)
        figures |= {f"accuracy_of_{name}": part for name, part in zip(self.class_names, by_class, strict=True)}
        # torchmetrics divides in float32, which is good for seven digits: 0.9927 rather than 0.9926999807357788.
        return {name: round(float(figure), 7) for name, figure in figures.items()} | {
            "coverage_at_0.999": self.coverage(0.999),
            "count": len(labels),
        }


class PredictionStore:
    """Collects predictions batch by batch; ``gather`` brings those of all processes together."""

    def __init__(self) -> None:
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []

    @property
    def count(self) -> int:
        """How many predictions of this process are kept."""
        return sum(len(indices) for indices, _, _ in self._batches)

    def add(self, indices: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Keep a batch: ``(B,)``, ``(B, classes)`` and ``(B,)``; nothing is computed or copied to the host yet."""
        self._batches.append((indices, logits.float(), labels))

    def gather(self, class_names: tuple[str, ...] = TEN_DIGITS) -> Predictions:
        """All predictions of all processes, and start afresh; every process must call it."""
        columns = [torch.cat(column) for column in zip(*self._batches, strict=True)]
        self._batches = []
        parts = [torch.cat(_of_all_processes(column)) for column in columns]
        order = parts[0].cpu().argsort()
        indices, logits, labels = (part.cpu()[order] for part in parts)
        return Predictions(indices, logits, labels, class_names)


class TrainingProgress(Metric):
    """Mean loss and accuracy over the training batches of an epoch so far, as the model saw them.

    Sums stay on the device; nothing waits for them before the epoch's end. Steps are taken down as they come and
    counted many at a time: counting each one would cost a small network a tenth of its speed.
    """

    full_state_update = False
    loss: Tensor
    correct: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("loss", default=torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("correct", default=torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("count", default=torch.tensor(0), dist_reduce_fx="sum")
        self._uncounted: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Take down a step: its mean loss ``()``, ``(B, classes)`` and ``(B,)``."""
        self._uncounted.append((loss.detach(), logits.detach(), labels))
        if len(self._uncounted) == _STEPS_AT_ONCE:
            self.count_all()

    def count_all(self) -> None:
        """Bring the sums up to date; before they are read."""
        steps, self._uncounted = self._uncounted, []
        if steps:
            self.update(*zip(*steps, strict=True))

    def update(self, losses: tuple[Tensor, ...], logits: tuple[Tensor, ...], labels: tuple[Tensor, ...]) -> None:
        for loss, own in zip(losses, labels, strict=True):  # one after another, so that the sum does not depend on when
            self.loss = self.loss + loss * len(own)
        self.correct += (torch.cat(logits).argmax(dim=1) == torch.cat(labels)).sum()
        self.count += sum(map(len, labels))

    def compute(self) -> dict[str, Tensor]:
        return {"loss": self.loss / self.count, "accuracy": self.correct / self.count}

    def totals(self) -> dict[str, Tensor]:
        """The sums of each process so far, ``(processes,)``, for a checkpoint; every process must call it."""
        self.count_all()
        return {
            name: torch.stack(_of_all_processes(getattr(self, name))).cpu() for name in ("loss", "correct", "count")
        }

    def continue_from(self, totals: dict[str, Tensor], rank: int, world_size: int) -> None:
        """Go on from the ``totals`` of a checkpoint: with the process's own, or, on other devices, all in the first."""
        for name, sums in totals.items():
            own = sums[rank] if len(sums) == world_size else sums.sum() * (rank == 0)
            setattr(self, name, own.to(self.device))
        self._update_count = 1


def _of_all_processes(value: Tensor) -> list[Tensor]:
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return gather_all_tensors(value) if distributed else [value]
