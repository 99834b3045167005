"""Learning-rate schedules that torch has in pieces, and when a schedule acts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from pytorch_lightning.cli import LRSchedulerCallable
from pytorch_lightning.cli import ReduceLROnPlateau as LightningsPlateau
from torch.optim import Optimizer
from torch.optim import lr_scheduler as of_torch
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


class CosineAnnealingLR(of_torch.CosineAnnealingLR):
    """torch's CosineAnnealingLR, which falls over the whole run by default.

    Args:
        optimizer: What it is the schedule of.
        T_max: How many epochs (or steps, see SchedulerConfig) the fall takes; those of the run by default.
        eta_min: The rate at its end.

    """

    def __init__(self, optimizer: Optimizer, T_max: int | None = None, eta_min: float = 0.0) -> None:  # noqa: N803
        if T_max is None:
            raise ValueError("T_max is not given, and without a run it is not known")
        super().__init__(optimizer, T_max, eta_min)


class ReduceLROnPlateau(LightningsPlateau):
    """Lightning's ReduceLROnPlateau, which watches the validation's loss by default.

    Args:
        optimizer: What it is the schedule of.
        monitor: The figure that it watches.
        kwargs: What torch's ReduceLROnPlateau takes.

    """

    def __init__(self, optimizer: Optimizer, monitor: str = "val/loss", **kwargs: Any) -> None:
        super().__init__(optimizer, monitor, **kwargs)


ScheduleCallable: TypeAlias = (
    Callable[[Optimizer], CosineAnnealingLR | ReduceLROnPlateau] | LRSchedulerCallable | Callable[[Optimizer], Any]
)
"""What makes a schedule: ours before torch's of the same name, another class, or a function, annotated or not."""


class Chain(SequentialLR):
    """torch's SequentialLR from parts that need not have an optimizer yet: a warm-up, then a cosine, say.

    Args:
        optimizer: What it is the schedule of.
        schedules: The parts, each with its own arguments.
        milestones: After how many epochs (or steps, see SchedulerConfig) each part but the first begins.

    """

    def __init__(self, optimizer: Optimizer, schedules: list[ScheduleCallable], milestones: list[int]) -> None:
        super().__init__(optimizer, [schedule(optimizer) for schedule in schedules], milestones)


def usual_interval(schedule: LRScheduler) -> Literal["step", "epoch"]:
    """When a schedule acts where nobody says so: those that are laid out over steps after each, others each epoch."""
    return "step" if isinstance(schedule, OneCycleLR | CyclicLR) else "epoch"
