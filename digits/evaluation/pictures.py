"""Pictures of an evaluation, drawn without a display."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from digits.evaluation.mosaics import mosaic_figure
from digits.evaluation.style import BLUE, styled
from digits.models import Predictions


@styled
def confusion_matrix_figure(matrix: Tensor) -> Figure:
    """Draw a ``(10, 10)`` matrix of counts, truth by row, and their shares of the row.

    The colours show mistakes as a share of their row on their own scale; beside a diagonal of 99.9 % they would vanish.
    """
    counts = matrix.numpy()
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0.0, shares)
    figure = Figure(figsize=(7.2, 7.0), dpi=80)
    axes = figure.add_subplot()
    axes.grid(visible=False)
    axes.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(mistakes.max(), 0.1))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = BLUE if row == column else "white" if mistakes[row, column] > 0.6 * mistakes.max() else "black"
            axes.text(column, row - 0.12, f"{count:,}", ha="center", va="center", color=colour)
            axes.text(
                column, row + 0.24, f"{shares[row, column]:.2f} %", ha="center", va="center", color=colour, fontsize=7
            )
    ticks = range(len(counts))
    axes.set(xticks=ticks, yticks=ticks, ylabel="true digit")
    axes.set_xlabel(f"answer (shade: mistakes as a share of the row, darkest {mistakes.max():.2f} %)")
    axes.set_title(f"Confusion matrix: {counts.sum() - np.trace(counts):,} of {counts.sum():,} wrong")
    return figure


def mistakes_figure(images: Tensor, predictions: Predictions, count: int = 24) -> Figure:
    """Draw the most confident mistakes; ``predictions.indices`` are rows of ``images`` ``(N, 1, 28, 28)``."""
    confidences, answers = predictions.probabilities.max(dim=1)
    wrong = (answers != predictions.labels).nonzero().flatten()
    worst = wrong[confidences[wrong].argsort(descending=True)][:count]
    captions = [f"{predictions.labels[n]}→{answers[n]}  {100 * confidences[n]:.0f} %" for n in worst]
    title = f"The most confident of {len(wrong):,} mistakes in {len(answers):,} images: truth→answer, confidence"
    return mosaic_figure(images[predictions.indices[worst]], captions, title, columns=8)


def to_pixels(figure: Figure) -> np.ndarray:
    """Render a figure as ``(H, W, 3)`` uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
