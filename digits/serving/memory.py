"""Memory that goes back to the system when it is freed. All of it is glibc's; elsewhere nothing happens."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
_LARGE = 1_000_000


def give_back_when_freed() -> None:
    """From now on, have each block of a megabyte or more go back at once.

    Otherwise the first that is freed makes glibc keep all later ones of its size, between which small ones then settle.
    """
    _call("mallopt", _M_MMAP_THRESHOLD, _LARGE)


def give_back() -> None:
    """Return what has been freed and not yet gone back."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    try:
        getattr(ctypes.CDLL(None), name)(*arguments)
    except (AttributeError, OSError, TypeError):  # macOS, musl
        return
