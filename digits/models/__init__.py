"""Recognizers: one file a family, on one shared LightningModule."""

from digits.models.base import DigitClassifier, SchedulerConfig
from digits.models.checkpoints import describe_network, explained, load_model, read_checkpoint, read_verified
from digits.models.cnn import CNN
from digits.models.ensemble import Ensemble
from digits.models.families import build_network, check_hyper_parameters, find_family, is_plain
from digits.models.files import open_model
from digits.models.finder import Finder
from digits.models.layers import Standardize
from digits.models.metrics import Predictions
from digits.models.mlp import MLP
from digits.models.onnx_model import OnnxModel
from digits.models.portable import load_portable, save_portable
from digits.models.schedules import Chain, CosineAnnealingLR, OneCycle, ReduceLROnPlateau
from digits.models.weights import check_fit, check_weights

__all__ = [
    "CNN",
    "MLP",
    "Chain",
    "CosineAnnealingLR",
    "DigitClassifier",
    "Ensemble",
    "Finder",
    "OneCycle",
    "OnnxModel",
    "Predictions",
    "ReduceLROnPlateau",
    "SchedulerConfig",
    "Standardize",
    "build_network",
    "check_fit",
    "check_hyper_parameters",
    "check_weights",
    "describe_network",
    "explained",
    "find_family",
    "is_plain",
    "load_model",
    "load_portable",
    "open_model",
    "read_checkpoint",
    "read_verified",
    "save_portable",
]
