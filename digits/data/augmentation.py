"""Random distortions of training images: a whole batch at once, other draws for each image, on the model's device."""

from __future__ import annotations

import math
import numbers
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import yaml
from jsonargparse.typing import register_type
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Generator, Tensor
from torch.nn import functional as F

from digits.errors import UserError


class Augmentation(ABC):
    """A random map of images ``(B, 1, 28, 28)`` float32 in ``[0, 1]`` to such images.

    All randomness comes from the generator that is passed in, so that the same generator state gives the same batch.
    """

    @abstractmethod
    def __call__(self, images: Tensor, generator: Generator) -> Tensor: ...


Transform = Augmentation | Callable[..., Any]
"""Any callable may be one that maps an image ``(1, 28, 28)``, as torchvision's transforms do.

That it returns a tensor stays unsaid: jsonargparse would look for classes that make tensors.
"""


def _number(value: Any) -> Any:
    if isinstance(value, str):  # as it stands behind a flag
        value = yaml.safe_load(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, not {value!r}")
    return value


# So torchvision annotates its arguments; jsonargparse would look for a class.
register_type(numbers.Number, serializer=_number, deserializer=_number)


def as_augmentation(chosen: Transform | list[Transform] | None) -> Augmentation | None:
    """What is chosen in a configuration, a list one after another, as a map of whole batches."""
    if chosen is None or isinstance(chosen, Augmentation):
        return chosen
    if isinstance(chosen, list):
        steps = [as_augmentation(step) for step in chosen]
        return InOrder([step for step in steps if step is not None])
    return EachImage(chosen)


class InOrder(Augmentation):
    """Several augmentations, one after another."""

    def __init__(self, steps: list[Augmentation]) -> None:
        self.steps = steps

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        for step in self.steps:
            images = step(images, generator)
        return images


class EachImage(Augmentation):
    """A transform that draws once a call, as torchvision's do, applied to each image ``(1, 28, 28)`` by itself.

    While it runs, Python's, NumPy's and torch's global generators are seeded from the given one, whichever it draws
    from; afterwards they are as they were. It is far slower than an augmentation of whole batches.
    """

    def __init__(self, transform: Callable[..., Any]) -> None:
        self.transform = transform

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        seed = int(torch.randint(2**32, (), generator=generator, device=generator.device))
        with isolate_rng():
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)
            made = [self.transform(image) for image in images]
        for image in made:
            if not isinstance(image, Tensor) or image.shape != images.shape[1:] or not image.is_floating_point():
                shape = f"{tuple(image.shape)} {image.dtype}" if isinstance(image, Tensor) else type(image).__name__
                name = getattr(self.transform, "__name__", type(self.transform).__name__)
                raise UserError(
                    f"data.augmentation: {name} makes {shape} of an image {tuple(images.shape[1:])} of floats in 0…1, "
                    "and must make such an image again"
                )
        return torch.stack(made)


class RandomAffine(Augmentation):
    """Rotate, shift, scale and shear each image by amounts drawn uniformly, with bilinear interpolation.

    Args:
        degrees: Largest rotation either way, in degrees.
        translate: Largest shift either way along each axis, as a fraction of the image's side.
        scale: Largest relative change of size either way, drawn for each axis on its own.
        shear: Largest horizontal shear either way, in pixels of x for each pixel of y.

    """

    def __init__(self, degrees: float = 10.0, translate: float = 0.08, scale: float = 0.1, shear: float = 0.1) -> None:
        self.degrees = degrees
        self.translate = translate
        self.scale = scale
        self.shear = shear

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        return warp(images, self.draw(len(images), generator))

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Draw ``(count, 2, 3)`` matrices that take a place in the output to the place in the input that it shows.

        Places are in the coordinates of ``grid_sample``: -1…1 from edge to edge.
        """
        uniform = torch.rand(6, count, generator=generator, device=generator.device) * 2 - 1
        angle = uniform[0] * math.radians(self.degrees)
        x_scale = 1 / (1 + uniform[1] * self.scale)
        y_scale = 1 / (1 + uniform[2] * self.scale)
        shear = uniform[3] * self.shear
        cosine, sine = angle.cos(), angle.sin()
        first = torch.stack((cosine * x_scale, (shear * cosine - sine) * x_scale, uniform[4] * 2 * self.translate), -1)
        second = torch.stack((sine * y_scale, (shear * sine + cosine) * y_scale, uniform[5] * 2 * self.translate), -1)
        return torch.stack((first, second), dim=1)


class RandomElastic(RandomAffine):
    """RandomAffine, and on top a smooth random field that bends strokes as a hand does.

    Simard, Steinkraus and Platt 2003, "Best Practices for Convolutional Neural Networks Applied to Visual Document
    Analysis", section 2: uniform noise on every pixel, blurred by a Gaussian and scaled. Images are sampled once, where
    both distortions together say.

    Args:
        degrees: Largest rotation either way, in degrees.
        translate: Largest shift either way along each axis, as a fraction of the image's side.
        scale: Largest relative change of size either way, drawn for each axis on its own.
        shear: Largest horizontal shear either way, in pixels of x for each pixel of y.
        displacement: Standard deviation of the field along each axis, in pixels.
        smoothness: Standard deviation of the Gaussian that blurs the field, in pixels.

    """

    def __init__(
        self,
        degrees: float = 10.0,
        translate: float = 0.08,
        scale: float = 0.1,
        shear: float = 0.1,
        displacement: float = 0.6,
        smoothness: float = 4.0,
    ) -> None:
        super().__init__(degrees, translate, scale, shear)
        if smoothness <= 0:
            raise UserError(f"RandomElastic's smoothness is {smoothness}; it must be above 0")
        self.displacement = displacement
        self.smoothness = smoothness

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        count, side = len(images), images.shape[-1]
        grid = affine_grid(self.draw(count, generator), side) + self.draw_field(count, side, generator) * (2 / side)
        return sample(images, grid)

    def draw_field(self, count: int, side: int, generator: Generator) -> Tensor:
        """Draw ``(count, 2, side, side)`` displacements along x and y in pixels."""
        noise = torch.rand(count, 2, side, side, generator=generator, device=generator.device) * 2 - 1
        # Rows of length 1 keep the variance of the noise, 1/3, at the edges as in the middle.
        blur = F.normalize(gaussian(side, self.smoothness, generator.device), dim=1)
        return blur @ noise @ blur.T * (self.displacement * math.sqrt(3))


def gaussian(side: int, deviation: float, device: torch.device | str = "cpu") -> Tensor:
    """The weight of each place in a blur for each other one, ``(side, side)``, 1 on the diagonal."""
    places = torch.arange(side, device=device)
    return torch.exp(-((places.unsqueeze(1) - places) ** 2) / (2 * deviation**2))


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Sample each image where its ``(2, 3)`` matrix says, paper outside."""
    return sample(images, affine_grid(matrices, images.shape[-1]))


def affine_grid(matrices: Tensor, side: int) -> Tensor:
    """Where ``(B, 2, 3)`` matrices take each pixel of a square image: ``(B, 2, side, side)``, x and y in -1…1.

    The grid is a sum of a row term and a column term, so two broadcast additions make it: 0.14 ms for 256 images on two
    CPU cores, where torch's ``affine_grid`` with its batched matrix product takes 1.2 ms.
    """
    centres = (torch.arange(side, device=matrices.device, dtype=matrices.dtype) * 2 + 1) / side - 1
    along_x = matrices[:, :, 0, None] * centres
    along_y = matrices[:, :, 1, None] * centres + matrices[:, :, 2, None]
    return along_x[:, :, None, :] + along_y[:, :, :, None]


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """Images whose pixels are those of ``images`` at the places ``grid`` ``(B, 2, H, W)``, bilinear, paper outside."""
    return F.grid_sample(images, grid.permute(0, 2, 3, 1), align_corners=False)
