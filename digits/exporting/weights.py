"""Networks as weights and a list of layers that a few lines of torch build again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from digits.errors import UserError
from digits.models import CNN, MLP, DigitClassifier, Ensemble, save_portable

_ARGUMENTS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.AdaptiveMaxPool2d: ("output_size",),
    nn.BatchNorm1d: ("num_features",),
    nn.BatchNorm2d: ("num_features",),
    nn.Conv2d: ("in_channels", "out_channels", "kernel_size", "padding"),
    nn.Dropout: ("p",),
    nn.Flatten: (),
    nn.GroupNorm: ("num_groups", "num_channels"),
    nn.LayerNorm: ("normalized_shape",),
    nn.Linear: ("in_features", "out_features"),
    nn.MaxPool2d: ("kernel_size",),
    nn.ReLU: (),
}


def write_weights(model: DigitClassifier, path: Path, about: dict[str, Any]) -> None:
    """Write ``path`` (.safetensors) and a .json beside it: what rebuilds the network, and ``about``.

    Raises UserError for a network that is not a sequence of torch's layers.
    """
    save_portable(model, path, {**about, "networks": networks_of(model)})


def networks_of(model: DigitClassifier) -> list[dict[str, Any]]:
    """For each network that answers: where its weights are, its layers, and what is done before and after them."""
    if isinstance(model, Ensemble):
        networks = []
        for number, member in enumerate(model.network):
            assert isinstance(member, DigitClassifier)
            networks += [
                network | {"weights": f"network.{number}.{network['weights']}"} for network in networks_of(member)
            ]
        return networks
    if not isinstance(model, CNN | MLP):
        raise UserError(f"{type(model).__name__} has no list of layers; export it with --format onnx or torch")
    assert isinstance(model.network, nn.Sequential)
    return [
        {
            "weights": "network.",
            "crop": model.crop if isinstance(model, CNN) else 0,
            "stretch_contrast": model.standardize.stretches_contrast,
            "mean": float(model.standardize.mean),
            "std": float(model.standardize.std),
            "shift": model.test_time_shift,
            "temperature": float(model.temperature),
            "layers": [_describe(layer) for layer in model.network],
        }
    ]


def _describe(layer: nn.Module) -> list[Any]:
    arguments = {name: getattr(layer, name) for name in _ARGUMENTS[type(layer)]}
    if isinstance(layer, nn.Conv2d | nn.Linear):
        arguments["bias"] = layer.bias is not None
    return [type(layer).__name__, arguments]
