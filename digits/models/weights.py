"""Weights that come from a file: whether they are numbers, and those of a certain network."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import LightningModule

from digits.errors import UserError
from digits.models.base import DigitClassifier
from digits.models.families import build_network, find_family

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64, torch.bool)


def load_network(class_path: object, hyper_parameters: object, weights: Any) -> DigitClassifier:
    """The model that a file describes, with its weights, ready to answer; raises UserError where they do not fit."""
    check_fit(class_path, hyper_parameters, weights)
    model = build_network(class_path, hyper_parameters)
    if not isinstance(model, DigitClassifier):
        raise UserError("it finds digits on pages; what is wanted here is a network that reads a digit")
    check_weights(model, weights)
    model.load_state_dict(weights)
    return model.eval()


def check_fit(class_path: object, hyper_parameters: object, weights: object) -> None:
    """Raise UserError unless a file's weights are those of the network that it describes.

    Before memory is asked for, which a file of a few bytes could ask for without end. Only our own classes are known to
    be buildable without memory.
    """
    check_numbers(weights)
    if find_family(class_path).__module__.startswith("digits."):
        with torch.device("meta"):
            check_weights(build_network(class_path, hyper_parameters), weights)


def check_weights(model: LightningModule, weights: object) -> None:
    """Raise UserError unless these are finite weights of just this model."""
    check_numbers(weights)
    assert isinstance(weights, dict)
    own = model.state_dict()
    for name in [*own, *weights]:
        if name not in weights:
            problem = f"{name} is missing"
        elif name not in own:
            problem = f"{name} is not in the model"
        elif own[name].shape != weights[name].shape:
            problem = f"{name} is {_shape(weights[name])}, not {_shape(own[name])}"
        else:
            continue
        raise UserError(f"its weights do not fit this model: {problem}")


def check_numbers(weights: object) -> None:
    """Raise UserError unless these are named tensors of finite numbers, each of which is there."""
    if not isinstance(weights, dict):
        raise UserError("its weights are no mapping of names to tensors")
    for name, tensor in weights.items():
        if not isinstance(name, str) or not _is_plain_tensor(tensor):
            raise UserError(f"its weights hold {name!r}, which is no plain tensor")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise UserError(f"its weights are no numbers: {name} holds NaN or infinity")


def _is_plain_tensor(tensor: object) -> bool:
    """Whether this is a tensor of an ordinary kind that is no larger than what was saved of it."""
    return (
        type(tensor) in (torch.Tensor, torch.nn.Parameter)
        and isinstance(tensor, torch.Tensor)
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and tensor.dtype in _DTYPES
        and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
    )


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"
