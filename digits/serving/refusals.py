"""Requests that are not answered with what they ask for, and the words for it."""

from __future__ import annotations


class BusyError(Exception):
    """There is no room, or not in time; the client may come again."""


class RefusedError(Exception):
    """A request that cannot be answered, with the status and the words that say so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
