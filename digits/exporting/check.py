"""Whether an exported file answers as the network does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from digits.exporting.subject import Answering

Run = Callable[[Tensor], Tensor]
"""What a file answers: images in its own form to ``(N, classes)``."""
_BATCH = 250


@dataclass(frozen=True)
class Check:
    """How near two ways to answer are: the largest difference of any output, and on how many images they agree."""

    difference: float
    agreeing: int
    count: int

    @property
    def is_identical(self) -> bool:
        return self.agreeing == self.count

    def __str__(self) -> str:
        return (
            f"{self.agreeing:,} of {self.count:,} images answered as in torch, largest difference {self.difference:.1e}"
        )


def golden_images() -> Tensor:
    """Images ``(9, 1, 28, 28)`` uint8 that any file must answer as torch does, whatever it was trained on."""
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(0, 255, 784).view(1, 28, 28)
    noise = torch.randint(0, 256, (5, 1, 28, 28), generator=generator)
    plain = [torch.zeros(1, 28, 28), torch.full((1, 28, 28), 255.0), ramp, ramp.flip(2)]
    return torch.cat([torch.stack(plain), noise.float()]).to(torch.uint8)


def answers(run: Run, answering: Answering, images: Tensor) -> Tensor:
    """What ``run`` says of uint8 images, in batches of several sizes."""
    sizes = [1, 2, 7, *[_BATCH] * (len(images) // _BATCH + 1)]
    parts, begin = [], 0
    with torch.inference_mode():
        for size in sizes:
            part = images[begin : begin + size]
            if len(part):
                parts.append(run(answering.prepare(part)))
            begin += size
    return torch.cat(parts)


def compare(run: Run, answering: Answering, images: Tensor) -> Check:
    """Put golden images and uint8 ``images`` ``(N, 1, 28, 28)`` to a file and to torch."""
    shown = torch.cat([golden_images(), images])
    return agreement(answers(run, answering, shown), answers(answering, answering, shown))


def agreement(ours: Tensor, theirs: Tensor) -> Check:
    same = int((ours.argmax(dim=1) == theirs.argmax(dim=1)).sum())
    return Check(float((ours - theirs).abs().max()), same, len(ours))


def speed(runs: list[Run], answering: Answering, batch_size: int = 256, rounds: int = 5) -> list[float]:
    """Images per second of each, medians of several turns."""
    images = answering.prepare(torch.randint(0, 256, (batch_size, 1, 28, 28), dtype=torch.uint8))
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(rounds + 1):
        for run, measured in zip(runs, times, strict=True):
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < 0.2:
                run(images)
                count += 1
            if turn > 0:
                measured.append((time.perf_counter() - start) / count)
    return [batch_size / sorted(measured)[len(measured) // 2] for measured in times]
