"""What the training verbs print."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities.rank_zero import rank_zero_only

from digits.errors import find_disk_error

_CHATTY = ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.seed")
_NOISE = (
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*Checkpoint directory .* exists and is not empty.*",
    r".*is smaller than the logging interval.*",
    r".*it is recommended to use `Trainer\(devices=1.*",
    r".*callbacks used to create the checkpoint need to be provided.*",
    r".*using the WeightAveraging callback, but loading a checkpoint outside.*",
    r".*It is recommended to use `self.log\(.*sync_dist=True\)`.*",  # every figure is already that of all processes
    r".*is not supported by the model summary.*",
    r".*torch\.jit\.trace.* is deprecated.*",  # TensorBoard's way to a model's graph
)


@contextmanager
def keep_to_the_point() -> Iterator[None]:
    """Meanwhile leave out what Lightning says of every run, and show warnings without their source."""
    # Lightning announces devices, seeds and products here; what concerns a run is printed by the run.
    chatty = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in chatty]
    former = warnings.formatwarning, threading.excepthook
    with warnings.catch_warnings():
        for pattern in _NOISE:
            warnings.filterwarnings("ignore", message=pattern)
        warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
        threading.excepthook = _report_unless_disk_error
        for logger in chatty:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            warnings.formatwarning, threading.excepthook = former
            for logger, level in zip(chatty, levels, strict=True):
                logger.setLevel(level)


def _report_unless_disk_error(args: threading.ExceptHookArgs) -> None:
    """TensorBoard writes in a thread of its own; when the disk refuses, the main thread says so, in one line."""
    if find_disk_error(args.exc_value) is None:
        threading.__excepthook__(args)


def say(line: str) -> None:
    """Print a line, from the first process only."""
    if rank_zero_only.rank == 0:
        print(line, flush=True)  # noqa: T201 - the command line's own output
