import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch.nn import functional as F

from digits.data import RandomAffine, RandomElastic
from digits.data.augmentation import warp
from digits.errors import UserError


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


def test_a_field_bends_as_scipy_would_one_image_at_a_time(images):
    augmentation = RandomElastic(0, 0, 0, 0, displacement=1.5, smoothness=3)
    field = augmentation.draw_field(len(images), 28, _generator()).double()
    noise = (torch.rand(len(images), 2, 28, 28, generator=_generator()) * 2 - 1).double().numpy()
    weights = np.exp(-((np.arange(28)[:, None] - np.arange(28)[None]) ** 2) / (2 * 3.0**2))
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    rows, columns = np.mgrid[:28, :28].astype(float)
    for number in range(len(images)):
        for axis in range(2):
            blurred = np.array(
                [[(np.outer(weights[y], weights[x]) * noise[number, axis]).sum() for x in range(28)] for y in range(28)]
            )
            np.testing.assert_allclose(field[number, axis], 1.5 * np.sqrt(3) * blurred, atol=1e-5)
    distorted = augmentation(images, _generator())
    after_the_affine_draw = _generator()
    augmentation.draw(len(images), after_the_affine_draw)
    fields = augmentation.draw_field(len(images), 28, after_the_affine_draw).double().numpy()
    for number, image in enumerate(images[:, 0].double().numpy()):
        across, down = fields[number]
        expected = map_coordinates(np.pad(image, 1), [rows + down + 1, columns + across + 1], order=1, cval=0)
        inside = (rows + down > -1) & (rows + down < 28) & (columns + across > -1) & (columns + across < 28)
        np.testing.assert_allclose(distorted[number, 0].numpy()[inside], expected[inside], atol=1e-4)


def test_the_field_is_as_strong_as_asked_for_and_smooth():
    field = RandomElastic(displacement=0.7, smoothness=4).draw_field(2000, 28, _generator())
    torch.testing.assert_close(field.std(dim=0), torch.full((2, 28, 28), 0.7), rtol=0.1, atol=0)
    assert (field[..., 1:] - field[..., :-1]).std() < 0.2
    with pytest.raises(UserError, match="smoothness is 0; it must be above 0"):
        RandomElastic(smoothness=0)


@pytest.mark.parametrize("augmentation", [RandomAffine(), RandomElastic()])
def test_every_image_has_a_draw_of_its_own(images, augmentation):
    same = images[:1].expand(16, -1, -1, -1)
    distorted = augmentation(same, _generator())
    assert len({tuple(image.flatten().tolist()) for image in distorted}) == 16


@pytest.mark.parametrize("augmentation", [RandomAffine(), RandomElastic()])
def test_the_generator_decides(images, augmentation):
    torch.testing.assert_close(augmentation(images, _generator(3)), augmentation(images, _generator(3)), rtol=0, atol=0)
    assert not torch.equal(augmentation(images, _generator(3)), augmentation(images, _generator(4)))


def test_no_strength_changes_nothing(images):
    unchanged = RandomAffine(0, 0, 0, 0)(images, _generator())
    torch.testing.assert_close(unchanged, images, rtol=1e-4, atol=1e-5)
    unchanged = RandomElastic(0, 0, 0, 0, 0)(images, _generator())
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
