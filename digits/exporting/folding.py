"""Layers that need not be there once a network is trained."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval, fuse_linear_bn_eval

Model = TypeVar("Model", bound=nn.Module)
_POOLINGS = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)


def fold_normalization(model: Model) -> Model:
    """A copy of a model whose batch normalizations are part of the weights before them; its answers are the same.

    Where a maximum is taken between the two, it is taken after both instead, and after a ReLU that follows: neither
    changes the order of values, as long as every channel's scale is positive. A normalization with another one stays.
    """
    model = copy.deepcopy(model).eval()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Sequential):
                setattr(module, name, nn.Sequential(*_folded(list(child))))
    return model


def _folded(layers: list[nn.Module]) -> Iterator[nn.Module]:
    while layers:
        layer, *layers = layers
        if isinstance(layer, nn.Linear) and layers and isinstance(layers[0], nn.BatchNorm1d):
            yield fuse_linear_bn_eval(layer, layers.pop(0))  # type: ignore[arg-type]
        elif isinstance(layer, nn.Conv2d) and layers and isinstance(layers[0], nn.BatchNorm2d):
            yield fuse_conv_bn_eval(layer, layers.pop(0))  # type: ignore[arg-type]
        elif isinstance(layer, nn.Conv2d) and len(layers) > 1 and _keeps_order(layers[0], layers[1]):
            pooling, normalization, *layers = layers
            assert isinstance(normalization, nn.BatchNorm2d)
            yield fuse_conv_bn_eval(layer, normalization)
            if layers and isinstance(layers[0], nn.ReLU):
                yield layers.pop(0)
            yield pooling
        else:
            yield layer


def _keeps_order(pooling: nn.Module, normalization: nn.Module) -> bool:
    is_pair = isinstance(pooling, _POOLINGS) and isinstance(normalization, nn.BatchNorm2d)
    return is_pair and bool((torch.as_tensor(normalization.weight) > 0).all())


def spread_rows(model: Model) -> Model:
    """A copy of a model in which convolutions of a single channel take their kernel's rows as channels instead.

    onnxruntime gathers what a kernel covers channel by channel, which in int8 takes longer than all else where there is
    one channel: with rows as channels, 1.2 times as many images a second came through configs/cnn.yaml.
    """
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and child.in_channels == 1 and child.padding == (0, 0):
                setattr(module, name, _RowsAsChannels(child))
    return model


class _RowsAsChannels(nn.Module):
    def __init__(self, original: nn.Conv2d) -> None:
        super().__init__()
        self.rows, columns = original.kernel_size
        self.convolution = nn.Conv2d(self.rows, original.out_channels, (1, columns), bias=original.bias is not None)
        self.convolution.load_state_dict(original.state_dict() | {"weight": original.weight.detach().transpose(1, 2)})

    def forward(self, images: Tensor) -> Tensor:
        height = images.shape[2] - self.rows + 1
        return self.convolution(torch.cat([images[:, :, row : row + height] for row in range(self.rows)], dim=1))
