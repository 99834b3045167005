"""Multilayer perceptrons."""

from __future__ import annotations

from typing import Any

from torch import nn

from digits.models.base import DigitClassifier
from digits.models.layers import Normalization, dense_stack


class MLP(DigitClassifier):
    """784 pixels through fully connected layers.

    Args:
        hidden: Width of each hidden layer.
        normalization: What stands between a linear layer and its ReLU.
        dropout: Probability of dropping a hidden unit while training.

    """

    def __init__(
        self,
        hidden: list[int] = [128, 64],  # noqa: B006 - never modified
        normalization: Normalization = "batch",
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network = nn.Sequential(
            nn.Flatten(), *dense_stack(28 * 28, hidden, self.num_classes, normalization, dropout)
        )
