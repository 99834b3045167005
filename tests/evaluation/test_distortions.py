import numpy as np
import pytest
import torch

from digits.data import find_source
from digits.evaluation import DISTORTIONS, MNIST_C, non_digits


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Real digits ``(40, 1, 28, 28)`` float32."""
    return find_source("uci").load(tmp_path_factory.mktemp("data")).train.images[:40].float() / 255


@pytest.mark.parametrize("name", DISTORTIONS)
def test_distortions_keep_the_contract_and_grow(images, name):
    distortion = DISTORTIONS[name]
    shown = [distortion.apply(images, level, torch.Generator().manual_seed(0)) for level in distortion.levels]
    for distorted in shown:
        assert distorted.shape == images.shape
        assert distorted.dtype == torch.float32
        assert 0 <= distorted.min() <= distorted.max() <= 1 + 1e-6
    again = distortion.apply(images, distortion.levels[0], torch.Generator().manual_seed(0))
    assert torch.equal(again, shown[0])
    if name not in ("scale", "stroke thickness"):  # whose amounts lie on both sides of the images as they are
        changes = [float((distorted - images).abs().mean()) for distorted in shown]
        order = sorted(changes)
        assert changes in (order, order[::-1])
        assert min(changes) > 0


def test_strokes_grow_by_what_is_said():
    stroke = torch.zeros(1, 1, 28, 28)
    stroke[..., 4:24, 12:15] = 1
    for amount, width in ((-1, 2), (1, 4), (2, 5)):
        thicker = DISTORTIONS["stroke thickness"].apply(stroke, amount, torch.Generator())
        assert thicker[0, 0, 14].sum() == pytest.approx(width, abs=0.3)


@pytest.mark.parametrize("name", MNIST_C)
def test_corruptions_are_seeded_and_keep_the_contract(images, name):
    clean = images[:, 0].double().numpy()
    before = clean.copy()
    corrupted = MNIST_C[name](clean, np.random.default_rng(0))
    assert np.array_equal(clean, before)
    assert corrupted.shape == clean.shape
    assert 0 <= corrupted.min() <= corrupted.max() <= 1
    assert np.abs(corrupted - clean).mean() > 0.01
    assert np.array_equal(MNIST_C[name](clean, np.random.default_rng(0)), corrupted)


def test_non_digits_show_no_digit_and_are_none_alike(tmp_path):
    kinds = dict(non_digits(tmp_path))
    assert set(kinds) == {"letters", "noise", "blobs", "blank paper"}
    for shown in kinds.values():
        assert shown.shape[1:] == (1, 28, 28)
        assert 0 <= shown.min() <= shown.max() <= 1
    assert kinds["letters"].amax(dim=(1, 2, 3)).min() > 0.5
    assert kinds["blank paper"].max() < 0.15
