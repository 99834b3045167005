"""Memory that large pictures leave behind."""

from __future__ import annotations

import ctypes

from digits.recognition import Page, Recognizer

_LARGE = 1_000_000
"""Pixels from which on it is worth the millisecond."""


def read_and_give_back(recognizer: Recognizer, picture: bytes, layout: str) -> Page:
    """Read a picture; after a large one, let glibc return to the system what it has freed.

    Each reader's thread has its own heap, which otherwise stays as large as the largest picture made it. Where the C
    library is another one, nothing more happens.
    """
    page = recognizer.read(picture, layout)
    if page.width * page.height >= _LARGE:
        _trim()
    return page


def _trim() -> None:
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # macOS, musl; Windows
        return
