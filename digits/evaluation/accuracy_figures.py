"""Pictures of how often, and how surely, a network is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binomtest
from sklearn.metrics import classification_report
from torch import Tensor

from digits.classes import noun
from digits.evaluation.style import BLUE, GREEN, GREY, ORANGE, styled
from digits.models import Predictions

_BINS = 15
_MOST_ROWS = 100
"""So many classes are listed in a picture at most."""


def confidence_interval(right: int, count: int) -> tuple[float, float]:
    """The interval that holds the true accuracy with 95 % probability (Wilson 1927)."""
    interval = binomtest(right, count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


@styled
def per_digit_accuracy_figure(predictions: Predictions) -> Figure:
    """Draw each class's accuracy with its 95 % interval, and that of all; of many classes the least accurate."""
    matrix = predictions.confusion_matrix
    counts, right = matrix.sum(dim=1).tolist(), matrix.diagonal().tolist()
    what = noun(predictions.class_names)
    shown = _worst([hits / count if count else 1.0 for hits, count in zip(right, counts, strict=True)])
    figure = Figure(figsize=(7.0, max(4.2, 0.24 * len(shown) + 1.8)))
    axes = figure.add_subplot()
    for row, place in enumerate(shown):
        hits, count = right[place], counts[place]
        if count:
            low, high = confidence_interval(hits, count)
            axes.plot([100 * low, 100 * high], [row, row], color=BLUE, marker="|", linewidth=2)
            axes.plot([100 * hits / count], [row], color=BLUE, marker="o", markersize=7)
            _write_beside(axes, row, f"{100 * hits / count:.2f} %  ({count - hits} wrong of {count:,})")
    overall = 100 * sum(right) / sum(counts)
    axes.axvline(overall, color=GREY, linestyle="--", marker="", label=f"all {_plural(what)}: {overall:.2f} %")
    axes.set_yticks(range(len(shown)), [predictions.class_names[place] for place in shown], parse_math=False)
    axes.set(ylim=(-0.6, len(shown) - 0.4), ylabel=f"true {what}", xlabel="images read (%), with 95 % intervals")
    is_all = len(shown) == len(counts)
    axes.set_title(
        f"Accuracy of each {what}" if is_all else f"The {len(shown)} least accurate of {len(counts):,} classes"
    )
    axes.invert_yaxis()
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14 * 4.2 / figure.get_figheight()))
    return figure


def _worst(scores: Sequence[float]) -> list[int]:
    """The places that are drawn of so many classes: all, or the lowest, in order."""
    lowest = sorted(range(len(scores)), key=lambda place: scores[place])[:_MOST_ROWS]
    return sorted(lowest)


def _plural(what: str) -> str:
    return {"class": "classes"}.get(what, f"{what}s")


@styled
def confidence_figure(predictions: Predictions) -> Figure:
    """Draw the reliability diagram (Guo et al. 2017), how many answers lie where, and accuracy against coverage."""
    confidences, answers = predictions.logits.double().softmax(dim=1).max(dim=1)
    right = answers == predictions.labels
    figure = Figure(figsize=(11.0, 4.4))
    left, selective = figure.subfigures(1, 2, squeeze=False)[0]
    reliability, histogram = left.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    _draw_reliability(reliability, histogram, confidences, right)
    reliability.set_title(f"Calibration: expected error (ECE) {100 * predictions.figures()['ece']:.2f} %")
    left.legend(*reliability.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    axes = selective.subplots()
    ordered = right[confidences.argsort(descending=True, stable=True)]
    answered = torch.arange(1, len(ordered) + 1)
    accuracy = 100 * ordered.cumsum(0) / answered
    first = int(0.9 * ordered.long().cumprod(0).sum())  # before that all are right
    axes.plot(100 * answered[first:] / len(ordered), accuracy[first:], marker="", color=BLUE)
    covered = predictions.coverage(0.999)
    axes.axhline(99.9, color=GREY, linestyle=":", marker="")
    if covered:
        axes.plot([100 * covered], [99.9], color=ORANGE, marker="o", markersize=7, linestyle="")
        axes.annotate(
            f"99.9 % right on {100 * covered:.2f} % of the images",
            (100 * covered, 99.9),
            xytext=(-8, -6),
            textcoords="offset points",
            ha="right",
            va="top",
        )
    axes.set(title="Answering only what is sure", xlabel="images answered (%)", ylabel="of these, read (%)")
    return figure


@styled
def accuracies_figure(names: list[str], predictions: list[Predictions]) -> Figure:
    """Draw the accuracy of several runs on the same images, with their 95 % intervals."""
    figure = Figure(figsize=(8.0, 0.5 * len(names) + 1.2))
    axes = figure.add_subplot()
    for row, answers in enumerate(predictions):
        right, count = int(answers.confusion_matrix.diagonal().sum()), len(answers.labels)
        low, high = confidence_interval(right, count)
        axes.plot([100 * low, 100 * high], [row, row], color=BLUE, marker="|", linewidth=2)
        axes.plot([100 * right / count], [row], color=BLUE, marker="o", markersize=7)
        _write_beside(axes, row, f"{100 * right / count:.2f} %  ({count - right:,} wrong of {count:,})")
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="images read (%), with 95 % intervals", title="Accuracy")
    axes.set_yticks(range(len(names)), names)
    return figure


def _write_beside(axes: Axes, row: int, text: str) -> None:
    place, coordinates = (1.02, row), ("axes fraction", "data")
    axes.annotate(text, place, xycoords=coordinates, va="center", annotation_clip=False)


def _draw_reliability(reliability: Axes, histogram: Axes, confidences: Tensor, right: Tensor) -> None:
    edges = np.linspace(0, 1, _BINS + 1)
    bins = np.clip(np.digitize(confidences, edges[1:-1], right=True), 0, _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    full = counts > 0
    shares = np.bincount(bins, weights=right, minlength=_BINS)[full] / counts[full]
    centers = 50 * (edges[:-1] + edges[1:])
    reliability.plot([0, 100], [0, 100], color=GREY, linestyle="--", marker="", label="as sure as right")
    reliability.bar(centers[full], 100 * shares, 90 / _BINS, color=BLUE, label="answers of that confidence")
    reliability.set(ylabel="of these, right (%)", xlim=(0, 100), ylim=(0, 104))
    histogram.bar(centers, counts, 90 / _BINS, color=GREEN)
    histogram.set(xlabel="confidence (%)", ylabel="images", yscale="symlog")


def classification_rows(predictions: Predictions) -> list[dict[str, str | float | int]]:
    """scikit-learn's classification report, a row for each class and each average."""
    classes = range(predictions.num_classes)
    answers = predictions.logits.argmax(dim=1)
    report = classification_report(
        predictions.labels.numpy(), answers.numpy(), labels=classes, output_dict=True, zero_division=0
    )
    rows: list[dict[str, str | float | int]] = []
    for key, figures in report.items():
        name = predictions.class_names[int(key)] if key.isdecimal() else key
        if key == "accuracy":
            figures = {"precision": figures, "recall": figures, "f1-score": figures, "support": len(answers)}
        row = {noun(predictions.class_names): name, "precision": figures["precision"], "recall": figures["recall"]}
        rows.append(row | {"f1": figures["f1-score"], "support": int(figures["support"])})
    return rows


@styled
def classification_report_figure(rows: list[dict[str, str | float | int]]) -> Figure:
    """Draw the table of ``classification_rows``; of many classes those of the lowest F1, and the averages."""
    (what, *_), averages = rows[0], 3
    shown = _worst([float(row["f1"]) for row in rows[:-averages]])
    title = f"Precision, recall and F1 of each {what}"
    if len(shown) < len(rows) - averages:
        title = f"The {len(shown)} of {len(rows) - averages:,} classes with the lowest F1"
    rows = [*(rows[place] for place in shown), *rows[-averages:]]
    figure = Figure(figsize=(6.0, 0.27 * len(rows) + 0.8))
    axes = figure.add_subplot()
    axes.axis("off")
    axes.set_title(title)
    text = [
        [f"{v:.4f}" if isinstance(v, float) else f"{v:,}" if isinstance(v, int) else v for v in r.values()]
        for r in rows
    ]
    table = axes.table(text, colLabels=list(rows[0]), loc="center", cellLoc="right", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(10)
    table.scale(1, 1.25)
    return figure
