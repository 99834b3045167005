"""Imports that take seconds."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import torch and what belongs to it quickly, and let Ctrl-C end the process at once meanwhile.

    The collector of garbage is off: it would search the growing heap again and again. What is there afterwards stays
    until the end, so it need not be searched later either.

    A KeyboardInterrupt cannot be relied on here: NumPy and others take it for a failed import and go on, and Python,
    where it passed through ``exec``, ends as if killed by the signal although it was caught.
    """
    if "torch" in sys.modules:
        yield
        return
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, _quit)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        atexit.register(gc.unfreeze)
        gc.enable()
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _quit(number: int, frame: FrameType | None) -> None:
    print("\ndigits: interrupted", file=sys.stderr, flush=True)  # noqa: T201 - the command line's own output
    os._exit(130)
