"""A line of JSON for each request, and what Prometheus counts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Counter("digits_requests", "Requests answered", ["method", "path", "status"])
SECONDS = Histogram(
    "digits_request_seconds",
    "Time from a request's first byte to its answer's last",
    ["path"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
INSIDE = Gauge("digits_requests_in_progress", "Requests being answered", multiprocess_mode="livesum")
DIGITS = Counter("digits_read", "Digits read")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LONGEST_PATH = 200


class AccessLog:
    """Middleware that logs and counts each request; nothing of what was sent is kept.

    Args:
        app: What answers.
        paths: The paths that are counted by name; all others are one, so that nobody can fill memory with names.

    """

    def __init__(self, app: ASGIApp, paths: frozenset[str]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, sent, start = 500, 0, time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            with INSIDE.track_inprogress():
                await self._app(scope, receive, watch)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            note(scope, status, sent, time.perf_counter() - start, path)


def note(scope: Mapping[str, Any], status: int, sent: int, seconds: float, label: str) -> None:
    """Log and count an answer of ``sent`` bytes; ``label`` stands for the path in what is counted."""
    method = scope["method"] if scope["method"] in _METHODS else "other"
    REQUESTS.labels(method, label, status).inc()
    SECONDS.labels(label).observe(seconds)
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "client": scope["client"][0] if scope.get("client") else None,
        "method": method,
        "path": scope["path"][:_LONGEST_PATH],
        "status": status,
        "bytes": sent,
        "milliseconds": round(1000 * seconds, 1),
    }
    print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201 - the log
