"""Recognizers: one file a family, on one shared LightningModule."""

from digits.models.base import DigitClassifier, SchedulerConfig
from digits.models.checkpoints import build_network, load_model, read_checkpoint, read_verified
from digits.models.cnn import CNN
from digits.models.ensemble import Ensemble
from digits.models.layers import Standardize
from digits.models.metrics import Predictions
from digits.models.mlp import MLP
from digits.models.portable import load_portable, save_portable

__all__ = [
    "CNN",
    "MLP",
    "DigitClassifier",
    "Ensemble",
    "Predictions",
    "SchedulerConfig",
    "Standardize",
    "build_network",
    "load_model",
    "load_portable",
    "read_checkpoint",
    "read_verified",
    "save_portable",
]
