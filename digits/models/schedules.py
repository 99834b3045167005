"""Learning-rate schedules that torch has in pieces, and when a schedule acts."""

from __future__ import annotations

from typing import Any, Literal

from pytorch_lightning.cli import LRSchedulerCallable
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, SequentialLR


class OneCycle(OneCycleLR):
    """torch's OneCycleLR, whose peak is the optimizer's learning rate.

    torch's own takes the peak as an argument and overrules the optimizer's rate.

    Args:
        optimizer: What it is the schedule of; each parameter group rises to its own rate.
        total_steps: How many steps there are in all; those of the run by default.
        pct_start: The share of the steps in which the rate rises.
        cycle_momentum: Lower the optimizer's momentum while the rate is high; null to do so where it has one.
        kwargs: What OneCycleLR takes beside these.

    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int | None = None,
        pct_start: float = 0.3,
        cycle_momentum: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if cycle_momentum is None:
            cycle_momentum = not {"momentum", "betas"}.isdisjoint(optimizer.defaults)
        if total_steps is not None and total_steps * pct_start == 1:
            pct_start *= 1.000001  # torch divides by the length of the rise less the first step
        peaks = [group["lr"] for group in optimizer.param_groups]
        super().__init__(
            optimizer,
            max_lr=peaks,
            total_steps=total_steps,
            pct_start=pct_start,
            cycle_momentum=cycle_momentum,
            **kwargs,
        )


class Chain(SequentialLR):
    """torch's SequentialLR from parts that need not have an optimizer yet: a warm-up, then a cosine, say.

    Args:
        optimizer: What it is the schedule of.
        schedules: The parts, each with its own arguments.
        milestones: After how many epochs (or steps, see SchedulerConfig) each part but the first begins.

    """

    def __init__(self, optimizer: Optimizer, schedules: list[LRSchedulerCallable], milestones: list[int]) -> None:
        super().__init__(optimizer, [schedule(optimizer) for schedule in schedules], milestones)


def usual_interval(schedule: LRScheduler) -> Literal["step", "epoch"]:
    """When a schedule acts where nobody says so: those that are laid out over steps after each, others each epoch."""
    return "step" if isinstance(schedule, OneCycleLR | CyclicLR) else "epoch"
