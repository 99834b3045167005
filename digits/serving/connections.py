"""Connections, with limits that uvicorn lacks."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import time

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from digits.serving.access_log import note
from digits.serving.headers import SECURE
from digits.serving.limits import ANSWER_SECONDS, HEAD_SECONDS, MOST_CONNECTIONS, SPARE_FILES

_AT_ONCE = 16_384
"""Bytes taken from a connection before others have their turn."""
_MOST_LINE_ENDS = 400
"""Line ends in so many bytes of a body that comes in chunks; each chunk has two."""


class Connection(H11Protocol):
    """uvicorn's, which waits forever for a request and takes connections until no file can be opened.

    Here a request's head must come in time, and an answer be taken in time. When too many connections are open, the one
    that has waited longest for its client makes room.
    """

    _timer: asyncio.TimerHandle | None = None
    _since = 0.0
    _is_given_up = False
    _has_sent_all = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio sets it only where the listener was made with the protocol's number; without it, an answer in two
        # pieces waits 40 ms for the client's acknowledgement of the first.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.max_size = _AT_ONCE  # type: ignore[attr-defined]
        self._wait(HEAD_SECONDS)
        if len(self.connections) > most_connections():
            self._make_room()

    def data_received(self, data: bytes) -> None:
        if self._is_given_up:
            return
        if self._is_in_crumbs(data):
            self.send_400_response("")
            return
        was_answering = self._is_answering
        super().data_received(data)
        if self._is_answering and not was_answering:
            self._wait(ANSWER_SECONDS)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether the connection stays open: while a whole request is there of a client that will send no more."""
        self._has_sent_all = self._is_answering and not self.cycle.more_body
        return self._has_sent_all or self._is_given_up

    def on_response_complete(self) -> None:
        self._wait(HEAD_SECONDS)
        super().on_response_complete()
        if self._has_sent_all and not self._is_answering:
            self.transport.close()
        if self._is_answering:  # the next request was there already
            self._wait(ANSWER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or too costly, where an answer has not yet begun, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            content = json.dumps(
                {"error": "the request is not HTTP/1.1, its head is too long, or its chunks are too small"}
            ).encode()
            headers = SECURE | {"Content-Type": "application/json", "Content-Length": str(len(content))}
            headers["Connection"] = "close"
            response = h11.Response(status_code=400, headers=list(headers.items()), reason=b"Bad Request")
            for event in (response, h11.Data(data=content), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
            note({"client": self.client, "method": "other", "path": ""}, 400, len(content), 0.0, "other")
            # Closing at once would throw the answer away where the client is still sending.
            self._is_given_up = True
            self.transport.write_eof()
            self._wait(HEAD_SECONDS)
            if self._is_answering:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
        else:
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: whoever asks for a WebSocket would fill the log."""

    def _is_in_crumbs(self, data: bytes) -> bool:
        """Whether a body comes in chunks of so few bytes that taking them apart would hold up all others."""
        head, _, body = (b"", b"", data) if self._is_answering else data.partition(b"\r\n\r\n")
        is_chunked = b"chunked" in head.lower() or (
            self._is_answering and any(name == b"transfer-encoding" for name, _ in self.headers)
        )
        return is_chunked and body.count(b"\r\n") > _MOST_LINE_ENDS

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _is_waiting_for_client(self) -> bool:
        return not self._is_answering or self.cycle.more_body

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._since = time.monotonic()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _make_room(self) -> None:
        waiting = [
            other for other in self.connections if isinstance(other, Connection) and other._is_waiting_for_client
        ]
        min(waiting, key=lambda other: other._since).transport.abort()  # this one is among them


def most_connections() -> int:
    """How many may be open in this process, by our own limit and by the system's on files."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(files - SPARE_FILES, files // 2))
