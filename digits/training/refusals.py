"""What fit cannot keep its promises with, and says so before it begins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytorch_lightning import Callback
from pytorch_lightning.callbacks import (
    BatchSizeFinder,
    LearningRateFinder,
    OnExceptionCheckpoint,
    StochasticWeightAveraging,
)
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from digits.errors import UserError

_FINDER = "changes a setting after the configuration was kept, so that no resume repeats it; search for it with `sweep`"
_REASONS: dict[type[Callback], str] = {
    BatchSizeFinder: _FINDER,
    LearningRateFinder: _FINDER,
    StochasticWeightAveraging: (
        "puts its average in place of the weights only after the last of them were validated and saved, so that no "
        "checkpoint holds it and no resume repeats it; take EMAWeightAveraging or WeightAveraging"
    ),
    OnExceptionCheckpoint: (
        "saves in the middle of a step, from where no run resumes exactly, and deletes its file after the next "
        "success; leave it out: fit saves last.ckpt when it is stopped, and --checkpoint_every_n_steps within epochs"
    ),
}


_IDLE = {
    "barebones": "leaves out the checkpoints and figures that a run's folder is made of; leave it out",
    "default_root_dir": "would have no effect; the folders of runs are made in --runs_dir",
    "model_registry": "would have no effect; no model is uploaded from here",
}
"""Arguments of Lightning's Trainer that fit cannot honour."""


def refuse_settings(settings: Any, callbacks: Iterable[Callback]) -> None:
    """Raise UserError for what a resume could not repeat, or that would have no effect.

    Args:
        settings: Those of the Trainer.
        callbacks: The user's.

    """
    for name, reason in _IDLE.items():
        if settings.get(name):
            raise UserError(f"trainer.{name} {reason}")
    for callback in callbacks:
        for kind, reason in _REASONS.items():
            if isinstance(callback, kind):
                raise UserError(f"trainer.callbacks: {kind.__name__} {reason}")
    if settings.gradient_clip_algorithm is not None and not settings.gradient_clip_val:
        raise UserError("trainer.gradient_clip_algorithm has no effect alone; set trainer.gradient_clip_val, the limit")
    interval = settings.val_check_interval
    if interval is not None and not isinstance(interval, int | float):
        raise UserError(
            f"trainer.val_check_interval {interval} validates by the clock, which no resume could repeat; "
            "give it in batches (100) or as a fraction of an epoch (0.5)"
        )
    if settings.enable_checkpointing is False and not settings.fast_dev_run:
        raise UserError(
            "trainer.enable_checkpointing false: fit ends with testing its best checkpoint, so it keeps that and "
            "the last; leave it out"
        )


def in_one_line(error: BaseException | None) -> str | None:
    """What an exception of Lightning or torch tells of the settings, or None where it tells nothing of them."""
    if error is None:
        return None
    told = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and told.startswith(
        "Requirement"
    ):  # Lightning's word for what is missing
        return told
    if isinstance(error, ValueError) and "Expected more than 1 value per channel when training" in told:
        return "batch norm cannot train on a batch of one image; set data.batch_size to another, 2 or more"
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    is_theirs = last is not None and str(last.tb_frame.f_globals.get("__name__")).startswith("pytorch_lightning.")
    if is_theirs and isinstance(error, MisconfigurationException | ValueError | RuntimeError):
        return f"{told} (see --trainer.* in `fit --help`)"
    return None
