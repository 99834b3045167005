import sys

import pytest
import torch
from PIL import Image

from digits.data import find_source
from digits.recognition import attribute, load_pretrained


@pytest.fixture
def crops(mnist_dir):
    return find_source("mnist").load(mnist_dir).test.images[:4].float() / 255


def test_attributions_add_up_to_what_the_image_changes(crops):
    """The completeness axiom, up to the integral's steps; and paper, which is as the baseline, says nothing."""
    model = load_pretrained()
    with torch.no_grad():
        answers = model(crops).log_softmax(dim=1)
        blank = model(torch.zeros(1, 1, 28, 28)).log_softmax(dim=1)
    digits = answers.argmax(dim=1)
    attributions = attribute(model, crops, digits)
    assert attributions.shape == crops.shape
    expected = (answers - blank).gather(1, digits[:, None]).flatten()
    assert torch.allclose(attributions.sum(dim=(1, 2, 3)), expected, rtol=0.05, atol=0.1)
    assert attributions[crops == 0].abs().max() == 0


def test_recognize_explains(digits, crops, tmp_path, monkeypatch):
    Image.fromarray((255 - 255 * crops[0, 0]).byte().numpy()).save("seven.png")
    assert digits("recognize", "seven.png", "--explain", "why.png")[:2] == (0, "7\n")
    with Image.open("why.png") as picture:
        colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert any(blue > red + 60 for red, _, blue in colours)  # ink that spoke for the answer
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    status, _, errors = digits("recognize", "seven.png", "--explain", "why.png")
    assert (status, errors) == (2, "digits: error: explaining needs Captum, an extra: pip install 'digits[explain]'\n")
