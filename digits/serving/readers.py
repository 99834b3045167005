"""Reading in other processes, which are ended and replaced when a picture takes too much."""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

from digits.errors import UserError
from digits.serving.limits import CPU_SECONDS, MOST_WAITING, QUICK_SECONDS, READING_SECONDS
from digits.serving.refusals import BusyError, RefusedError

LENGTHS = struct.Struct("!IQ")
"""What comes before each message to and from a reader: how long its JSON is, and how long what follows that."""
_NICENESS = 10
_SECONDS_BETWEEN_LOOKS = 0.05
_SECONDS_TO_END = 5


@dataclass(frozen=True)
class Picture:
    """A picture to read: a request's content type and body, and how it is to be read and answered."""

    content_type: str
    body: bytes | bytearray
    layout: str
    probabilities: bool


@dataclass(frozen=True)
class Answer:
    """What a reader answers: the status, JSON for the client, and how many digits were read."""

    status: int
    content: bytes
    digits: int


class Readers:
    """Processes that read one picture each at a time, forked from one that holds the network.

    A picture is first read in a quick place. When that takes long and others wait, it goes on at a lower priority in
    one of as many slow places, and another reader takes over the quick one; where all slow places are taken, it begins
    again when one is free. So whoever sends what takes long waits longer, and all others hardly do. A reader that dies,
    of whatever, fails its picture alone.

    Args:
        count: How many pictures are read at once in quick places, and how many more in slow ones.

    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._idle: list[Reader] = []
        self._additions: set[asyncio.Task[None]] = set()
        self._quick = asyncio.Semaphore(count)
        self._slow = asyncio.Semaphore(count)
        self._inside = 0
        self._for_quick = 0

    async def start(self) -> None:
        """Have readers for all places; raises UserError where the network cannot be loaded."""
        await asyncio.gather(*(self._add() for _ in range(2 * self._count)))

    async def stop(self) -> None:
        """End the readers, none of which is at work any more."""
        await asyncio.gather(*self._additions, return_exceptions=True)
        for reader in self._idle:
            reader.end()
        self._idle.clear()

    async def read(self, picture: Picture) -> Answer:
        """The answer to a picture.

        Raises BusyError where too many wait or this one has waited too long, RefusedError where it takes too much
        processor time or its reader died.
        """
        if self._inside >= MOST_WAITING:
            raise BusyError
        self._inside += 1
        try:
            async with asyncio.timeout(READING_SECONDS):
                begun = await self._read_quickly(picture)
                return begun if isinstance(begun, Answer) else await self._read_slowly(picture, begun)
        except TimeoutError:
            raise BusyError from None
        finally:
            self._inside -= 1

    async def _read_quickly(self, picture: Picture) -> Answer | Reader | None:
        """The answer; or, after a while, the reader still at work, with a slow place; or None without one."""
        self._for_quick += 1
        try:
            await self._quick.acquire()
        finally:
            self._for_quick -= 1
        reader = None
        try:
            reader = await self._take()
            reader.begin(picture)
            while not await reader.has_answered(_SECONDS_BETWEEN_LOOKS):
                if not self._for_quick or reader.processor_time() < QUICK_SECONDS:
                    continue
                self._add_soon()
                if self._slow.locked():
                    reader.end()
                    return None
                await self._slow.acquire()  # at once
                return reader
            answer = await reader.answer()
            self._put(reader)
            return answer
        except BaseException:
            if reader is not None:
                reader.end()
            raise
        finally:
            self._quick.release()

    def _add_soon(self) -> None:
        """Have another reader ready when the next is wanted, rather than let a quick place wait for it."""
        task = asyncio.create_task(self._add())
        self._additions.add(task)
        task.add_done_callback(self._additions.discard)

    async def _add(self) -> None:
        self._put(await Reader.start())

    def _put(self, reader: Reader) -> None:
        if len(self._idle) < 2 * self._count:
            self._idle.append(reader)
        else:
            reader.end()

    async def _take(self) -> Reader:
        while self._idle:
            reader = self._idle.pop()
            if reader.is_there:
                return reader
            reader.end()  # the system has ended it, for want of memory
        return await Reader.start()

    async def _read_slowly(self, picture: Picture, reader: Reader | None) -> Answer:
        if reader is None:
            await self._slow.acquire()
        try:
            if reader is None:
                self._add_soon()
                reader = await self._take()
                reader.begin(picture)
            reader.lower_priority()
            return await reader.answer()
        finally:
            if reader is not None:
                reader.end()  # its priority cannot be raised again
            self._slow.release()


class Reader:
    """A process that reads."""

    def __init__(self, process: BaseProcess, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._stream = stream
        self._writer = writer
        self._work: asyncio.Task[Answer] | None = None
        self._time_before = 0.0

    @classmethod
    async def start(cls, method: str = "forkserver") -> Reader:
        """A new one, by a start method of multiprocessing; raises UserError where it cannot load the network."""
        context = multiprocessing.get_context(method)
        if method == "forkserver":
            context.set_forkserver_preload([__name__, "digits.serving.reader"])
        mine, its = socket.socketpair()
        with its:
            process = context.Process(target=_run, args=(its,), daemon=True)  # type: ignore[attr-defined]
            await asyncio.to_thread(process.start)
        reader = cls(process, *await asyncio.open_connection(sock=mine))
        try:
            about, _ = await reader._receive()
            if about["problem"]:
                raise UserError(about["problem"])
        except BaseException:
            reader.end()
            raise
        return reader

    @property
    def is_there(self) -> bool:
        """Whether its process has not ended."""
        return not self._stream.at_eof()

    def begin(self, picture: Picture) -> None:
        """Let it read a picture; the next one may follow when it has answered."""
        self._time_before = self._clock()
        self._work = asyncio.create_task(self._ask(picture))

    async def has_answered(self, seconds: float) -> bool:
        """Whether the answer is there, for which this waits for so long at most."""
        assert self._work is not None
        return bool((await asyncio.wait({self._work}, timeout=seconds))[0])

    def processor_time(self) -> float:
        """How many seconds of a processor the present picture has taken."""
        return self._clock() - self._time_before

    async def answer(self) -> Answer:
        """The answer; raises RefusedError where the process died instead."""
        assert self._work is not None
        return await self._work

    def lower_priority(self) -> None:
        """Let it have what others leave of the processor."""
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid or 0, _NICENESS)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._writer.close()
        if self._work is not None:
            self._work.cancel()
        with suppress(ProcessLookupError):
            self._process.kill()

    def _clock(self) -> float:
        if sys.platform != "linux":
            return time.monotonic()  # on a busy machine more than the processor's time
        try:
            return time.clock_gettime((~(self._process.pid or 0) << 3) | 2)  # as clock_getcpuclockid(3) makes it
        except OSError:  # the process is no more
            return math.inf

    async def _ask(self, picture: Picture) -> Answer:
        request = {"type": picture.content_type, "layout": picture.layout, "probabilities": picture.probabilities}
        head = json.dumps(request).encode()
        try:
            self._writer.write(LENGTHS.pack(len(head), len(picture.body)) + head)
            self._writer.write(picture.body)
            await self._writer.drain()
            about, content = await self._receive()
        except (asyncio.IncompleteReadError, OSError):
            raise await self._cause_of_death() from None
        return Answer(about["status"], content, about["digits"])

    async def _receive(self) -> tuple[dict[str, Any], bytes]:
        head, body = LENGTHS.unpack(await self._stream.readexactly(LENGTHS.size))
        return json.loads(await self._stream.readexactly(head)), await self._stream.readexactly(body)

    async def _cause_of_death(self) -> RefusedError:
        await asyncio.to_thread(self._process.join, _SECONDS_TO_END)
        number = -(self._process.exitcode or 0)
        if number == signal.SIGXCPU:
            words = f"the picture takes more than {CPU_SECONDS} seconds to read; send a smaller or plainer one"
            return RefusedError(422, words)
        name = signal.Signals(number).name if number in set(signal.Signals) else f"exit status {-number}"
        print(f"digits: a reader ended by {name}; another takes its place", file=sys.stderr, flush=True)  # noqa: T201
        return RefusedError(500, f"the process that read the picture ended by {name}; another has taken its place")


def _run(connection: socket.socket) -> None:
    from digits.serving.reader import serve_pictures  # which loads the network, once for all that are forked

    serve_pictures(connection)
