"""Layers that the families share."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from digits.errors import UserError

Normalization = Literal["batch", "layer", "none"]

MNIST_MEAN = 0.1307
MNIST_STD = 0.3081
FAINTEST = 0.1
"""A smaller range of grey than this is paper, not ink, and is not stretched as far as it goes."""


class Standardize(nn.Module):
    """The first layer of every model: pixels in ``[0, 1]`` to zero mean and unit variance over MNIST's training set.

    It is part of the model, so that whatever holds the weights also holds what they expect. With ``stretches_contrast``
    each image's range is first stretched to ``[0, 1]``, which MNIST's nearly fill already and faint ones do not.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, stretches_contrast: bool = False) -> None:
        super().__init__()
        self.stretches_contrast = stretches_contrast
        self.register_buffer("mean", torch.tensor(MNIST_MEAN))
        self.register_buffer("std", torch.tensor(MNIST_STD))

    def forward(self, images: Tensor) -> Tensor:
        images = images.to(self.mean.dtype)  # of a model that is trained in float64 or bfloat16 altogether
        if self.stretches_contrast:
            low, high = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
            images = (images - low) / (high - low).clamp(min=FAINTEST)
        return (images - self.mean) / self.std


def log_mean_probability(logits: Tensor) -> Tensor:
    """The logarithm of the mean of several answers' probabilities: ``(M, B, classes)`` to ``(B, classes)`` logits."""
    return logits.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(logits))


def normalization_1d(kind: Normalization, features: int) -> list[nn.Module]:
    """The normalization layer for ``(B, features)``, as a list that is empty for "none"."""
    layers: dict[Normalization, list[nn.Module]] = {
        "batch": [nn.BatchNorm1d(features)],
        "layer": [nn.LayerNorm(features)],
        "none": [],
    }
    return layers[kind]


def normalization_2d(kind: Normalization, channels: int) -> list[nn.Module]:
    """The normalization layer for ``(B, channels, H, W)``, as a list that is empty for "none"."""
    layers: dict[Normalization, list[nn.Module]] = {
        "batch": [nn.BatchNorm2d(channels)],
        "layer": [nn.GroupNorm(1, channels)],
        "none": [],
    }
    return layers[kind]


def dense_stack(
    inputs: int, hidden: list[int], outputs: int, normalization: Normalization, dropout: float
) -> list[nn.Module]:
    """Linear, normalization, ReLU and dropout for each width in ``hidden``, then the linear layer to the logits."""
    if not 0 <= dropout < 1:
        raise UserError(f"model.dropout is {dropout}; it must be at least 0 and below 1")
    if any(width < 1 for width in hidden):
        raise UserError(f"model.hidden is {hidden}; each width must be at least 1")
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width, bias=normalization == "none")]
        layers += [*normalization_1d(normalization, width), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        inputs = width
    return [*layers, nn.Linear(inputs, outputs)]
