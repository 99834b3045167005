"""The pictures of a report."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from digits.evaluation import (
    classification_report_figure,
    classification_rows,
    confidence_figure,
    confusion_matrix_figure,
    curves_figure,
    embedding_figure,
    first_layer,
    first_layer_figure,
    misclassified_figure,
    per_digit_accuracy_figure,
    sample_digits_figure,
    sample_predictions_figure,
)
from digits.reporting.run import JudgedRun

_DPI = 130


@dataclass(frozen=True)
class Picture:
    """A picture of the page: the name of its file, what it shows in words, and itself as a data URI."""

    name: str
    caption: str
    uri: str
    is_wide: bool


def run_pictures(run: JudgedRun, places: np.ndarray, mapped: Tensor) -> dict[str, Figure]:
    """Every picture of a run by its name; ``places`` ``(M, 2)`` is the map of the predictions ``mapped`` ``(M,)``."""
    predictions, training = run.predictions, run.training
    assert training.labels is not None
    figures = {
        "curves": curves_figure(run.epochs),
        "confusion_matrix": confusion_matrix_figure(predictions.confusion_matrix, predictions.class_names),
        "per_digit_accuracy": per_digit_accuracy_figure(predictions),
        "misclassified": misclassified_figure(run.images, predictions),
        "confidence": confidence_figure(predictions),
        "classification_report": classification_report_figure(classification_rows(predictions)),
        "sample_predictions": sample_predictions_figure(run.images, predictions),
        "sample_digits": sample_digits_figure(training.images, training.labels, class_names=predictions.class_names),
        "embedding": embedding_figure(places, predictions.labels[mapped], predictions.class_names),
    }
    weights = first_layer(run.model)
    if weights is not None:
        figures["first_layer"] = first_layer_figure(weights)
    return figures


def save_picture(figure: Figure, folder: Path, name: str, caption: str) -> Picture:
    """Write ``<name>.png`` into ``folder``."""
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=_DPI)
    return Picture(name, caption, _uri(path.read_bytes()), is_wide=figure.get_figwidth() > 8)


def sprite_uri(images: Tensor, columns: int) -> str:
    """Images ``(N, 1, 28, 28)`` uint8 in one picture, row by row, as a data URI."""
    missing = -len(images) % columns
    padded = torch.cat([images, images.new_zeros(missing, 1, 28, 28)])
    sheet = padded.view(-1, columns, 28, 28).permute(0, 2, 1, 3).reshape(-1, columns * 28)
    file = io.BytesIO()
    Image.fromarray(255 - sheet.numpy()).save(file, "PNG")
    return _uri(file.getvalue())


def _uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
