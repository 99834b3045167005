"""Pictures of an evaluation, drawn without a display."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from digits.models import Predictions

_BLUE = "#0b5394"


def confusion_matrix_figure(matrix: Tensor, title: str = "Confusion matrix") -> Figure:
    """Draw a ``(10, 10)`` matrix of counts, truth by row.

    The colours show mistakes as a share of their row on their own scale; beside a diagonal of 99.9 % they would vanish.
    """
    counts = matrix.numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0.0, shares)
    figure = Figure(figsize=(6.0, 5.8), dpi=80)
    axes = figure.add_axes((0.1, 0.1, 0.86, 0.83))
    axes.imshow(100 * mistakes, cmap="Oranges", vmin=0, vmax=max(100 * mistakes.max(), 0.1))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            on_diagonal = row == column
            axes.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                fontsize=9,
                color=_BLUE if on_diagonal else "white" if mistakes[row, column] > 0.6 * mistakes.max() else "black",
                fontweight="bold" if on_diagonal else "normal",
            )
    ticks = range(len(counts))
    axes.set(xticks=ticks, yticks=ticks, ylabel="true digit")
    axes.set_xlabel(f"predicted digit (shade: mistakes as a share of the row, darkest {100 * mistakes.max():.2f} %)")
    wrong = counts.sum() - np.trace(counts)
    axes.set_title(f"{title}: {wrong} of {counts.sum()} wrong")
    return figure


def mistakes_figure(images: Tensor, predictions: Predictions, columns: int = 8, rows: int = 3) -> Figure:
    """Draw the most confident mistakes; ``images`` ``(N, 1, 28, 28)`` is the set that ``predictions.indices`` indexes.

    All of them stand in one axes: a grid of axes takes more than three times as long to draw.
    """
    confidences, answers = predictions.probabilities.max(dim=1)
    wrong = (answers != predictions.labels).nonzero().flatten()
    worst = wrong[confidences[wrong].argsort(descending=True)][: columns * rows]
    width, height = 34, 38
    mosaic = np.zeros((rows * height, columns * width), dtype=np.uint8)
    figure = Figure(figsize=(0.95 * columns, 1.05 * rows + 0.3), dpi=80)
    axes = figure.add_axes((0.01, 0.0, 0.98, 0.93))
    for place, number in enumerate(worst.tolist()):
        top, left = place // columns * height, place % columns * width
        mosaic[top + 8 : top + 36, left + 3 : left + 31] = images[predictions.indices[number], 0]
        caption = f"{predictions.labels[number]}→{answers[number]}  {100 * confidences[number]:.0f} %"
        axes.text(left + width / 2, top + 7, caption, ha="center", va="bottom", fontsize=9)
    axes.imshow(mosaic, cmap="gray_r", vmin=0, vmax=255, aspect="auto")
    axes.axis("off")
    title = f"The most confident of {len(wrong)} mistakes in {len(answers)} images: truth→answer, confidence"
    axes.set_title(title, fontsize=11)
    return figure


def to_pixels(figure: Figure) -> np.ndarray:
    """Render a figure as ``(H, W, 3)`` uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
