"""Pictures of an evaluation, drawn without a display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from digits.classes import TEN_DIGITS, noun
from digits.evaluation.mosaics import mosaic_figure
from digits.evaluation.style import BLUE, styled
from digits.models import Predictions

_WIDEST = 20
"""Inches."""


@styled
def confusion_matrix_figure(matrix: Tensor, class_names: Sequence[str] = TEN_DIGITS) -> Figure:
    """Draw a ``(classes, classes)`` matrix of counts, truth by row, and their shares of the row.

    The colours show mistakes as a share of their row on their own scale; beside a diagonal of 99.9 % they would vanish.
    With many classes the counts are small or left out, so that the names and the shades can be read.
    """
    names, counts = class_names, matrix.numpy()
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0.0, shares)
    side = min(max(7.2, 0.3 * len(names)), _WIDEST)
    figure = Figure(figsize=(side, side - 0.2), dpi=80)
    axes = figure.add_subplot()
    axes.grid(visible=False)
    axes.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(mistakes.max(), 0.1))
    shows_shares, shows_counts = len(names) <= 12, len(names) <= 100
    for row, column in np.argwhere(counts) if shows_counts else ():
        colour = BLUE if row == column else "white" if mistakes[row, column] > 0.6 * mistakes.max() else "black"
        style: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
        if shows_shares:
            axes.text(column, row - 0.12, f"{counts[row, column]:,}", **style)
            axes.text(column, row + 0.24, f"{shares[row, column]:.2f} %", fontsize=7, **style)
        else:
            axes.text(column, row, str(counts[row, column]), fontsize=7, **style)
    if shows_counts:
        axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0, parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylabel(f"true {noun(names)}")
    axes.set_xlabel(f"answer (shade: mistakes as a share of the row, darkest {mistakes.max():.2f} %)")
    axes.set_title(f"Confusion matrix: {counts.sum() - np.trace(counts):,} of {counts.sum():,} wrong")
    return figure


def mistakes_figure(images: Tensor, predictions: Predictions, count: int = 24) -> Figure:
    """Draw the most confident mistakes; ``predictions.indices`` are rows of ``images`` ``(N, 1, 28, 28)``."""
    confidences, answers = predictions.probabilities.max(dim=1)
    wrong = (answers != predictions.labels).nonzero().flatten()
    worst = wrong[confidences[wrong].argsort(descending=True)][:count]
    truths, taken_for = predictions.names_of(predictions.labels), predictions.names_of(answers)
    captions = [f"{truths[n]}→{taken_for[n]}  {100 * confidences[n]:.0f} %" for n in worst]
    title = f"The most confident of {len(wrong):,} mistakes in {len(answers):,} images: truth→answer, confidence"
    return mosaic_figure(images[predictions.indices[worst]], captions, title, columns=8)


def to_pixels(figure: Figure) -> np.ndarray:
    """Render a figure as ``(H, W, 3)`` uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
