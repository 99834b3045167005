"""What a network's first layer looks for."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor, nn

from digits.evaluation.style import styled
from digits.models import DigitClassifier

_MOST, _COLUMNS = 64, 16


def first_layer(model: DigitClassifier) -> Tensor | None:
    """The weights of the layer that sees the image, ``(units, height, width)``; None where there is no such layer."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == 1:
            return module.weight.detach()[:, 0].cpu()
        if isinstance(module, nn.Linear) and module.in_features == 28 * 28:
            return module.weight.detach().unflatten(1, (28, 28)).cpu()
    return None


@styled
def first_layer_figure(weights: Tensor) -> Figure:
    """Draw the weights of up to 64 units; purple asks for ink, orange for paper."""
    shown = weights[:_MOST].numpy()
    units, height, width = shown.shape
    rows = -(-units // _COLUMNS)
    gap = max(height // 5, 1)
    mosaic = np.zeros((rows * (height + gap), _COLUMNS * (width + gap)))
    for place, unit in enumerate(shown):
        top, left = place // _COLUMNS * (height + gap), place % _COLUMNS * (width + gap)
        mosaic[top : top + height, left : left + width] = unit / max(np.abs(unit).max(), 1e-12)
    figure = Figure(figsize=(10.0, 0.62 * rows + 1.0))
    axes = figure.add_subplot()
    image = axes.imshow(mosaic, cmap="PuOr", vmin=-1, vmax=1)
    axes.axis("off")
    which = f"{units}" if units == len(weights) else f"the first {units} of {len(weights)}"
    axes.set_title(f"The first layer: {which} units, {height}×{width} weights each, relative to the unit's largest")
    bar = figure.colorbar(image, ax=axes, ticks=[-1, 0, 1], location="bottom", shrink=0.3, aspect=20, pad=0.02)
    bar.ax.set_xticklabels(["asks for paper", "either", "for ink"])
    return figure
