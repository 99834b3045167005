"""What happens to digits on their way to a recognizer, in steps from mild to severe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from digits.data.augmentation import gaussian, warp

_UPSAMPLING = 4


@dataclass(frozen=True)
class Distortion:
    """A distortion by growing amounts.

    ``apply`` takes images ``(B, 1, 28, 28)`` float32 in ``[0, 1]``, ink high, an amount and a generator, and returns
    such images. ``unit`` says what the ``levels`` count.
    """

    apply: Callable[[Tensor, float, Generator], Tensor]
    unit: str
    levels: tuple[float, ...]


def _either_way(count: int, generator: Generator) -> Tensor:
    return torch.randint(0, 2, (count,), generator=generator) * 2.0 - 1


def _matrices(count: int, entries: Mapping[tuple[int, int], Tensor | float]) -> Tensor:
    """``(count, 2, 3)`` identities with the given entries."""
    matrices = torch.eye(2, 3).repeat(count, 1, 1)
    for (row, column), value in entries.items():
        matrices[:, row, column] = value
    return matrices


def _rotate(images: Tensor, degrees: float, generator: Generator) -> Tensor:
    angle = math.radians(degrees) * _either_way(len(images), generator)
    turned = {(0, 0): angle.cos(), (0, 1): -angle.sin(), (1, 0): angle.sin(), (1, 1): angle.cos()}
    return warp(images, _matrices(len(images), turned))


def _shift(images: Tensor, pixels: float, generator: Generator) -> Tensor:
    direction = torch.rand(len(images), generator=generator) * 2 * math.pi
    distance = pixels * 2 / images.shape[-1]
    return warp(
        images, _matrices(len(images), {(0, 2): direction.cos() * distance, (1, 2): direction.sin() * distance})
    )


def _scale(images: Tensor, factor: float, generator: Generator) -> Tensor:
    return warp(images, _matrices(len(images), {(0, 0): 1 / factor, (1, 1): 1 / factor}))


def _shear(images: Tensor, slope: float, generator: Generator) -> Tensor:
    return warp(images, _matrices(len(images), {(0, 1): slope * _either_way(len(images), generator)}))


def _thicken(images: Tensor, pixels: float, generator: Generator) -> Tensor:
    """Grow strokes, or shrink them where ``pixels`` is below 0, by so much in width."""
    large = F.interpolate(images, scale_factor=_UPSAMPLING, mode="bilinear", align_corners=False)
    reach = round(abs(pixels) * _UPSAMPLING / 2)
    sign = math.copysign(1, pixels)
    grown = sign * F.max_pool2d(sign * large, 2 * reach + 1, stride=1, padding=reach)
    return F.avg_pool2d(grown, _UPSAMPLING)


def _blur(images: Tensor, deviation: float, generator: Generator) -> Tensor:
    kernel = F.normalize(gaussian(images.shape[-1], deviation), p=1, dim=1)
    return kernel @ images @ kernel.T


def _gaussian_noise(images: Tensor, deviation: float, generator: Generator) -> Tensor:
    return (images + deviation * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def _impulse_noise(images: Tensor, share: float, generator: Generator) -> Tensor:
    hit = torch.rand(images.shape, generator=generator) < share
    return torch.where(hit, torch.randint(0, 2, images.shape, generator=generator).float(), images)


def _speckle(images: Tensor, deviation: float, generator: Generator) -> Tensor:
    return (images * (1 + deviation * torch.randn(images.shape, generator=generator))).clamp(0, 1)


def _occlude(images: Tensor, side: float, generator: Generator) -> Tensor:
    """Wipe out a square whose middle lies within the 20×20 pixels that hold the digit."""
    corner = torch.rand(2, len(images), 1, generator=generator) * 20 + 4 - side / 2
    places = torch.arange(images.shape[-1]) + 0.5
    is_hidden = (places >= corner) & (places < corner + side)
    return images * ~(is_hidden[0][:, :, None] & is_hidden[1][:, None, :]).unsqueeze(1)


def _fade(images: Tensor, contrast: float, generator: Generator) -> Tensor:
    return images * contrast


def _invert(images: Tensor, amount: float, generator: Generator) -> Tensor:
    return images + amount * (1 - 2 * images)


def _coarsen(images: Tensor, side: float, generator: Generator) -> Tensor:
    small = F.interpolate(images, size=int(side), mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(small, size=images.shape[-1], mode="bilinear", align_corners=False).clamp(0, 1)


DISTORTIONS: dict[str, Distortion] = {
    "rotation": Distortion(_rotate, "degrees either way", (10, 20, 30, 40, 50)),
    "shift": Distortion(_shift, "pixels", (1, 2, 3, 4, 5)),
    "scale": Distortion(_scale, "times as large", (0.5, 0.7, 0.85, 1.15, 1.3)),
    "shear": Distortion(_shear, "pixels of x for each of y", (0.2, 0.4, 0.6, 0.8)),
    "stroke thickness": Distortion(_thicken, "pixels more", (-1.5, -1, -0.5, 0.5, 1, 1.5, 2)),
    "blur": Distortion(_blur, "pixels of deviation", (0.5, 1, 1.5, 2, 3)),
    "gaussian noise": Distortion(_gaussian_noise, "standard deviation", (0.1, 0.2, 0.3, 0.4, 0.6)),
    "impulse noise": Distortion(_impulse_noise, "share of the pixels", (0.02, 0.05, 0.1, 0.2, 0.3)),
    "speckle noise": Distortion(_speckle, "relative deviation", (0.3, 0.6, 1, 1.5)),
    "occlusion": Distortion(_occlude, "pixels of side", (4, 6, 8, 10, 12)),
    "contrast": Distortion(_fade, "of the ink's darkness", (0.8, 0.6, 0.4, 0.2, 0.1)),
    "inverted polarity": Distortion(_invert, "", (1,)),
    "low resolution": Distortion(_coarsen, "pixels of side", (20, 14, 10, 7, 5)),
}
