"""Bodies of requests, received within limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from digits.serving.limits import BODIES_BYTES, BODY_SECONDS, MAX_BYTES
from digits.serving.refusals import BusyError, RefusedError

_MOST_FORGOTTEN = 5 * MAX_BYTES


class Bodies:
    """The bodies that are in memory.

    Args:
        most_bytes: How much they may take together. Where one more chunk would be too much, the body that has been
            arriving for the longest is given up: so nobody can hold the room by sending slowly.

    """

    def __init__(self, most_bytes: int = BODIES_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._arriving: dict[asyncio.Timeout, bytearray] = {}  # in the order in which they began

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[bytearray]:
        """The whole body, which is in memory until the caller leaves.

        Raises RefusedError for one of more than 10 MB or one that does not come in time, BusyError where there is no
        memory. What is somewhat too large is received to its end, and forgotten: a client that is still sending would
        not hear the answer.
        """
        body = bytearray()
        try:
            await self._fill(body, request)
            yield body
        finally:
            self._bytes -= len(body)

    async def _fill(self, body: bytearray, request: Request) -> None:
        received = 0
        try:
            async with asyncio.timeout(BODY_SECONDS) as patience:
                self._arriving[patience] = body
                try:
                    async for chunk in request.stream():
                        received += len(chunk)
                        if received <= MAX_BYTES:
                            self._make_room(len(chunk), patience)
                            body += chunk
                            self._bytes += len(chunk)
                        elif received > _MOST_FORGOTTEN:
                            break
                finally:
                    was_given_up = self._arriving.pop(patience, None) is None
        except ClientDisconnect:
            raise RefusedError(408, "the connection was closed before the request had arrived") from None
        except TimeoutError:
            if was_given_up:
                raise BusyError from None
            raise RefusedError(408, f"the request did not arrive within {BODY_SECONDS:.0f} seconds") from None
        if received > MAX_BYTES:
            raise RefusedError(413, f"the request is larger than {MAX_BYTES // 1_000_000} MB")

    def _make_room(self, count: int, patience: asyncio.Timeout) -> None:
        while self._bytes + count > self._most_bytes:
            oldest = next(iter(self._arriving))
            if oldest is patience:
                raise BusyError
            body = self._arriving.pop(oldest)
            self._bytes -= len(body)
            body.clear()
            oldest.reschedule(asyncio.get_running_loop().time())
