"""Recognizers: one file a family, on one shared LightningModule."""

from digits.models.base import DigitClassifier, SchedulerConfig
from digits.models.cnn import CNN
from digits.models.metrics import Predictions
from digits.models.mlp import MLP

__all__ = ["CNN", "MLP", "DigitClassifier", "Predictions", "SchedulerConfig"]
