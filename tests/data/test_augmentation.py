import pytest
import torch
from torch.nn import functional as F

from digits.data import RandomAffine
from digits.data.augmentation import warp


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    return torch.rand(16, 1, 28, 28, generator=_generator(1))


def test_warp_equals_torchs_grid_one_image_at_a_time(images):
    matrices = RandomAffine(30, 0.2, 0.3, 0.3).draw(len(images), _generator())
    expected = torch.cat(
        [
            F.grid_sample(image[None], F.affine_grid(matrix[None], [1, 1, 28, 28], False), align_corners=False)
            for image, matrix in zip(images, matrices, strict=True)
        ]
    )
    torch.testing.assert_close(warp(images, matrices), expected, rtol=1e-4, atol=1e-5)


def test_every_image_has_a_draw_of_its_own(images):
    same = images[:1].expand(16, -1, -1, -1)
    distorted = RandomAffine()(same, _generator())
    assert len({tuple(image.flatten().tolist()) for image in distorted}) == 16


def test_the_generator_decides(images):
    augmentation = RandomAffine()
    torch.testing.assert_close(augmentation(images, _generator(3)), augmentation(images, _generator(3)), rtol=0, atol=0)
    assert not torch.equal(augmentation(images, _generator(3)), augmentation(images, _generator(4)))


def test_no_strength_changes_nothing(images):
    unchanged = RandomAffine(0, 0, 0, 0)(images, _generator())
    torch.testing.assert_close(unchanged, images, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        ((90, 0, 0, 0), lambda m: (m[:, :, :2].det() - 1).abs().max() < 1e-5),
        ((0, 0.1, 0, 0), lambda m: m[:, :, 2].abs().max() <= 0.2 and m[:, :, 2].abs().max() > 0.15),
        ((0, 0, 0.2, 0), lambda m: m[:, 0, 0].min() >= 1 / 1.2 - 1e-6 and m[:, 0, 0].max() <= 1 / 0.8 + 1e-6),
        ((0, 0, 0, 0.3), lambda m: m[:, 0, 1].abs().max() <= 0.3 and m[:, 1, 0].abs().max() == 0),
    ],
)
def test_draws_stay_in_their_ranges(arguments, fits):
    assert fits(RandomAffine(*arguments).draw(500, _generator()))


def test_a_shift_moves_the_picture_that_far():
    image = torch.zeros(1, 1, 28, 28)
    image[0, 0, 10, 10] = 1
    matrix = torch.tensor([[[1.0, 0, 2 * 3 / 28], [0, 1, 2 * -2 / 28]]])
    moved = warp(image, matrix)
    assert moved[0, 0].argmax() == 12 * 28 + 7
