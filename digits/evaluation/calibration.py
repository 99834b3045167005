"""Confidence that can be taken at its word."""

from __future__ import annotations

import math

from scipy.optimize import minimize_scalar
from torch.nn import functional as F

from digits.models import Predictions

_BOUNDS = (0.05, 20.0)


def fit_temperature(predictions: Predictions) -> float:
    """The number by which to divide logits so that confidences are as often right as they say.

    It minimizes the cross-entropy on these predictions (Guo et al. 2017, "On Calibration of Modern Neural Networks",
    section 4.2), which must be of images that did not train. No answer changes.
    """
    logits, labels = predictions.logits.double(), predictions.labels
    found = minimize_scalar(
        lambda exponent: F.cross_entropy(logits / math.exp(exponent), labels).item(),
        bounds=tuple(map(math.log, _BOUNDS)),
        method="bounded",
    )
    return round(math.exp(found.x), 4)
