"""A model's answers without a Trainer."""

from __future__ import annotations

import torch
from torch import Tensor

from digits.data import DigitImages
from digits.models import DigitClassifier, Predictions

_BATCH = 1000


@torch.inference_mode()
def answer(model: DigitClassifier, images: DigitImages, indices: Tensor) -> Predictions:
    """What ``model`` says of the rows ``indices`` ``(N,)`` of ``images``."""
    batches = [images.gather(rows) for rows in indices.split(_BATCH)]
    logits = torch.cat([model(batch.float() / 255) for batch, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    return Predictions(indices, logits, labels, model.class_names).checked()
