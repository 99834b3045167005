"""How much a server takes on at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Busy(Exception):  # noqa: N818 - not an error
    """There is no room, or not in time; the client may come again."""


class Gate:
    """Room for requests: a few are worked on, some more wait, the rest are turned away at once.

    Args:
        most_requests: How many are inside at once, waiting ones included.
        most_bytes: How much their bodies may hold in memory together.
        readers: How many are read at the same time, each in a thread.
        seconds: How long a request may wait and be read. A thread cannot be stopped: what takes longer is read to its
            end, for nobody, and only then makes room.

    """

    def __init__(self, most_requests: int, most_bytes: int, readers: int, seconds: float) -> None:
        self._most_requests = most_requests
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self.requests = 0
        self.bytes = 0

    def enter(self) -> None:
        """Take a place; raises Busy where there is none. Give it back with ``leave``."""
        if self.requests >= self._most_requests:
            raise Busy
        self.requests += 1

    def leave(self, held: int) -> None:
        """Give back the place and the ``held`` bytes."""
        self.requests -= 1
        self.bytes -= held

    def hold(self, count: int) -> None:
        """Take memory for so many bytes; raises Busy where there is none left."""
        if self.bytes + count > self._most_bytes:
            raise Busy
        self.bytes += count

    async def work(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call a function in a thread; raises Busy where it does not return in time."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._seconds)
        except TimeoutError:
            future.cancel()  # where it has not begun
            raise Busy from None
