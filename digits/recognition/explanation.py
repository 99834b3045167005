"""Which pixels spoke for an answer."""

from __future__ import annotations

import copy

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from digits.errors import UserError
from digits.models import DigitClassifier, Standardize
from digits.recognition.recognizer import Page, Recognizer

_STEPS = 64


def explain(recognizer: Recognizer, page: Page) -> Image.Image:
    """Draw, for each digit of a page, which ink spoke for the answer and which against it.

    Raises UserError where Captum is not installed, or the network is not in torch.
    """
    from digits.evaluation import explanation_figure, to_pixels  # not for each reading

    if not isinstance(recognizer.model, DigitClassifier):
        raise UserError("explaining needs a network in torch; give a checkpoint instead of an .onnx file")
    readings = [reading for line in page.lines for reading in line]
    crops = torch.from_numpy(np.stack([reading.crop for reading in readings])).unsqueeze(1)
    digits = torch.tensor([reading.digit for reading in readings])
    captions = [f"{reading.label}  {100 * reading.confidence:.1f} %" for reading in readings]
    figure = explanation_figure(crops, attribute(recognizer.model, crops, digits), captions)
    figure.set_dpi(200)
    return Image.fromarray(to_pixels(figure))


def attribute(model: DigitClassifier, crops: Tensor, digits: Tensor) -> Tensor:
    """How much each pixel of ``crops`` ``(N, 1, 28, 28)`` adds to the log-probability of ``digits`` ``(N,)``.

    Integrated gradients from blank paper (Sundararajan et al. 2017): over an image they sum to the difference between
    the answer's log-probability for it and for blank paper, nats. The way there is taken without stretching contrast,
    which would let all of it happen in the first tenth. Raises UserError where Captum is not installed.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError:
        raise UserError("explaining needs Captum, an extra: pip install 'digits[explain]'") from None
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, Standardize):
            module.stretches_contrast = False
    method = IntegratedGradients(lambda images: model(images).log_softmax(dim=1))
    parts = zip(crops.split(50), digits.split(50), strict=True)
    return torch.cat([method.attribute(part, target=target, n_steps=_STEPS).detach() for part, target in parts]).float()
