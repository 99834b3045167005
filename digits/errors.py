"""Mistakes that a user can mend, and how they are worded."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


class UserError(Exception):
    """Something the user can put right.

    The command line shows it as one line and exits with status 2; no traceback. The message says what is wrong and
    what to do about it.
    """

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows."""
        return [f"digits: error: {self}"]


class Interrupted(Exception):  # noqa: N818 - not an error
    """Training was told to stop and has, with everything saved.

    ``status`` is the exit status that says so: 130 after Ctrl-C, 143 after a signal from a scheduler.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows."""
        return [f"digits: {self}"]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown ``name``: the nearest known one, or the list of all where none is near."""
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if nearest:
        return f"did you mean {nearest[0]!r}?"
    return f"choose from: {', '.join(known)}"


def find_disk_error(error: BaseException | None) -> OSError | None:
    """The refusal of a disk that is full or read-only among an exception and those that led to it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _REFUSALS:
            return error
        error = error.__cause__ or error.__context__
    return None
