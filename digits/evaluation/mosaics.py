"""Pictures of many digits at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from digits.classes import TEN_DIGITS, noun
from digits.evaluation.style import BLUE, ORANGE, styled
from digits.models import Predictions

_SIDE = 28
_MOST = 500
"""So many mistakes are drawn at most; a network that makes more has not learned to read."""


@styled
def mosaic_figure(
    images: Tensor, captions: Sequence[str], title: str, columns: int, colours: Sequence[str] | None = None
) -> Figure:
    """Draw images in rows, each below its caption; ``(N, 1, 28, 28)`` uint8, ink high, or ``(N, 3, 28, 28)`` in colour.

    All of them stand in one axes: a grid of axes takes more than three times as long to draw.
    """
    lines = max((caption.count("\n") + 1 for caption in captions if caption), default=0)
    above = 2 + 9 * lines
    width, height = _SIDE + 10, _SIDE + above + 4
    rows = max(-(-len(images) // columns), 1)
    pictures = (255 - images if images.shape[1] == 1 else images).permute(0, 2, 3, 1).numpy()
    mosaic = np.full((rows * height, columns * width, images.shape[1]), 255, dtype=np.uint8)
    figure = Figure(figsize=(columns * width / 38, rows * height / 38 + 0.4))
    axes = figure.add_subplot()
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        top, left = place // columns * height + above, place % columns * width + 5
        mosaic[top : top + _SIDE, left : left + _SIDE] = picture
        colour = colours[place] if colours else "black"
        axes.text(
            left + _SIDE / 2, top - 2, caption, ha="center", va="bottom", fontsize=9, color=colour, parse_math=False
        )
    axes.imshow(mosaic, cmap="gray", vmin=0, vmax=255)
    axes.axis("off")
    axes.set_title(title)
    return figure


def sample_digits_figure(
    images: Tensor, labels: Tensor, rows: int = 6, class_names: Sequence[str] = TEN_DIGITS
) -> Figure:
    """Draw the first ``rows`` images of each class, a column for each digit; of other alphabets three, and the name."""
    title = f"What it learned from: the first of {len(labels):,} training images of each {noun(class_names)}"
    is_digits = tuple(class_names) == TEN_DIGITS
    by_class = [(labels == place).nonzero().flatten()[: rows if is_digits else 3] for place in range(len(class_names))]
    if is_digits:
        shown = [number for row in zip(*(column.tolist() for column in by_class), strict=False) for number in row]
        return mosaic_figure(images[shown], [""] * len(shown), title, columns=10)
    shown = torch.cat(by_class)[:_MOST].tolist()
    captions = [class_names[int(labels[number])] for number in shown]
    return mosaic_figure(images[shown], captions, title, columns=18)


def sample_predictions_figure(images: Tensor, predictions: Predictions, count: int = 30) -> Figure:
    """Draw test images taken at random: the truth, the answer and its confidence; mistakes in another colour."""
    generator = torch.Generator().manual_seed(0)
    shown = torch.randperm(len(predictions.labels), generator=generator)[:count]
    confidences, answers = predictions.probabilities.max(dim=1)
    truths, taken_for = predictions.names_of(predictions.labels), predictions.names_of(answers)
    captions = [f"{truths[n]}→{taken_for[n]}  {100 * confidences[n]:.1f} %" for n in shown]
    colours = [BLUE if predictions.labels[n] == answers[n] else ORANGE for n in shown]
    title = "Images taken at random: truth→answer, confidence; mistakes in orange"
    return mosaic_figure(images[predictions.indices[shown]], captions, title, columns=10, colours=colours)


def misclassified_figure(images: Tensor, predictions: Predictions) -> Figure:
    """Draw every mistake, the most confident first, with the two likeliest answers."""
    (first, second), (answers, others) = (pair.T for pair in predictions.probabilities.topk(2, dim=1))
    wrong = (answers != predictions.labels).nonzero().flatten()
    wrong = wrong[first[wrong].argsort(descending=True)]
    shown = wrong[:_MOST]
    truths, taken_for, or_else = map(predictions.names_of, (predictions.labels, answers, others))
    captions = [
        f"{truths[n]}→{taken_for[n]}  {100 * first[n]:.0f} %\nor {or_else[n]}  {100 * second[n]:.0f} %" for n in shown
    ]
    how_many = "All" if len(shown) == len(wrong) else f"The first {_MOST} of"
    title = f"{how_many} {len(wrong):,} mistakes, the most confident first: truth→answer, confidence, second answer"
    return mosaic_figure(images[predictions.indices[shown]], captions, title, columns=10)


def differences_figure(
    images: Tensor, labels: Tensor, answers: list[Tensor], names: list[str], class_names: Sequence[str] = TEN_DIGITS
) -> Figure:
    """Draw the images that several models read differently: the truth, and what each of them answers, in order."""
    differ = (torch.stack(answers) != answers[0]).any(dim=0).nonzero().flatten()
    shown = differ[:_MOST]
    captions = [
        f"{class_names[int(labels[n])]}→{' '.join(class_names[int(answer[n])] for answer in answers)}" for n in shown
    ]
    how_many = "All" if len(shown) == len(differ) else f"The first {_MOST} of"
    title = f"{how_many} {len(differ):,} images read differently: truth→answers of {', '.join(names)}"
    return mosaic_figure(images[shown], captions, title, columns=10)


def explanation_figure(images: Tensor, attributions: Tensor, captions: Sequence[str]) -> Figure:
    """Draw which pixels spoke for an answer, and which against it.

    ``images`` ``(N, 1, 28, 28)`` float32 in ``[0, 1]`` are drawn in light grey; ``attributions`` of the same shape say
    how much each pixel adds to the answer, and colour it relative to the image's strongest.
    """
    strongest = attributions.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    strength = (attributions / strongest).clamp(-1, 1)
    paper = 1 - 0.3 * images
    blue, orange = (torch.tensor(to_rgb(colour)).view(1, 3, 1, 1) for colour in (BLUE, ORANGE))
    tint = torch.where(strength > 0, blue, orange)
    coloured = paper + strength.abs().sqrt() * (tint - paper)
    shown = (255 * coloured).round().to(torch.uint8)
    title = "Blue ink spoke for the answer, orange against it: answer, confidence"
    return mosaic_figure(shown, captions, title, columns=min(10, max(len(shown), 5)))
