"""Stratified k-fold cross-validation, each fold a run of its own."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from digits.data import DigitsDataModule
from digits.data.splits import split_training_set
from digits.evaluation import answer
from digits.models import Predictions
from digits.search.launcher import Launcher
from digits.training import Run, write_json, write_predictions

RESULT = "crossval.json"
FIT_OPTIONS = (
    *("--trainer.limit_test_batches", "0"),
    *("--trainer.limit_val_batches", "1.0"),  # also where the recipe alone has no use for it
    "--trainer.callbacks+=digits.training.StopWithParent",
)
"""What a fit that is one of many is told: it is judged by its validation images and leaves the test images alone."""


@dataclass(frozen=True)
class Fold:
    """One fold's run: ``accuracy`` on the images it did not train on, of the checkpoint that is best on them.

    ``last_accuracy`` is that of the last epoch, which nothing chose.
    """

    number: int
    run: Run
    metrics: dict[str, Any]
    last_accuracy: float

    @property
    def accuracy(self) -> float:
        return self.metrics["val/accuracy"]


def run_folds(
    folder: Path, arguments: list[str], count: int, launcher: Launcher, done: Callable[[Fold], None] | None = None
) -> list[Fold]:
    """Train ``count`` folds under ``folder``; finished ones are kept and broken ones go on.

    ``arguments`` are fit's. Raises as ``Launcher.fit`` does.
    """
    tasks = [partial(run_fold, folder, f"fold-{number}", arguments, number, count, launcher) for number in range(count)]
    return launcher.each(tasks, "the same command keeps the finished folds and goes on with the others", done)


def run_fold(folder: Path, experiment: str, arguments: list[str], number: int, count: int, launcher: Launcher) -> Fold:
    """Train fold ``number`` of ``count`` as ``<folder>/<experiment>/``."""
    options = [*arguments, *FIT_OPTIONS, "--data.num_folds", str(count), "--data.fold", str(number)]
    run = launcher.fit(folder, experiment, options)
    accuracies = [row["val/accuracy"] for row in run.curves if "val/accuracy" in row]
    metrics = run.figures
    return Fold(number, run, metrics, accuracies[-1] if accuracies else metrics["val/accuracy"])


def conclude_folds(folder: Path, folds: list[Fold]) -> tuple[dict[str, Any], Predictions, DigitsDataModule]:
    """Write crossval.json and predictions.csv, with what each training image was taken for by the fold without it.

    Returns the figures, these predictions, and the data.
    """
    data = folds[0].run.data()
    predictions, fold_of = _out_of_fold(folds, data)
    write_predictions(
        folder / "predictions.csv", predictions, truth=predictions.names_of(predictions.labels), fold=fold_of.tolist()
    )
    accuracies = [fold.accuracy for fold in folds]
    figures = {
        "mean": statistics.mean(accuracies),
        "deviation": statistics.stdev(accuracies),
        "mean_of_last_epochs": statistics.mean(fold.last_accuracy for fold in folds),
        "folds": [
            {"fold": fold.number, "run": str(fold.run.folder.relative_to(folder)), "seconds": fold.metrics["seconds"]}
            | {name: value for name, value in fold.metrics.items() if name.startswith("val/")}
            for fold in folds
        ],
        "out_of_fold": predictions.figures(),
        "data": folds[0].metrics["data"],
        "commit": folds[0].metrics["commit"],
        "hardware": folds[0].metrics["hardware"],
    }
    write_json(folder / RESULT, figures)
    return figures, predictions, data


def _out_of_fold(folds: list[Fold], data: DigitsDataModule) -> tuple[Predictions, torch.Tensor]:
    """Predictions for every training image, by index, and the fold ``(N,)`` that each one validated."""
    images = data.train_images()
    assert images.labels is not None
    fold_of = torch.empty(len(images), dtype=torch.int64)
    parts = []
    for fold in folds:
        _, validation = split_training_set(
            images.labels,
            validation_size=data.validation_size,
            num_folds=len(folds),
            fold=fold.number,
            subset=None,
            seed=data.split_seed,
        )
        indices = torch.from_numpy(validation)
        fold_of[indices] = fold.number
        parts.append(answer(fold.run.model(), images, indices))
    indices, logits, labels = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("indices", "logits", "labels")
    )
    order = indices.argsort()
    return Predictions(indices[order], logits[order], labels[order], parts[0].class_names), fold_of


def classification_table(rows: list[dict[str, str | float | int]]) -> str:
    """scikit-learn's classification report as lines of text."""
    lines = [f"{'':>12}" + "".join(f"{name:>11}" for name in list(rows[0])[1:])]
    for row in rows:
        name, *values = row.values()
        cells = (f"{value:>11.4f}" if isinstance(value, float) else f"{value:>11,}" for value in values)
        lines.append(f"{name:>12}" + "".join(cells))
    return "\n".join(lines)
