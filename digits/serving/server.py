"""Processes and sockets of the service."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from digits.errors import UserError
from digits.serving.limits import ACCEPTED_AT_ONCE, HEAD_BYTES, IDLE_SECONDS
from digits.serving.readers import Reader
from digits.serving.settings import Settings

_FEWEST_READERS = 2
_SECONDS_TO_FINISH = 30


def run(checkpoint: Path | None, host: str, port: int, workers: int, allowed_hosts: Sequence[str] = ()) -> None:
    """Serve until a signal comes, and then finish what has begun.

    ``workers`` is how many processes receive and answer; the processes that read are as many as there are processors.
    ``allowed_hosts`` are names by which browsers reach the service, besides ``host`` and addresses.

    Raises UserError where the address cannot be had or the checkpoint cannot be read.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=ACCEPTED_AT_ONCE)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)  # a name that is not found
        raise UserError(f"cannot listen on {host}:{port}: {reason}; give another --host or --port") from None
    _allow_all_files()
    readers = max(_FEWEST_READERS, (os.cpu_count() or 1) // workers)
    Settings(str(checkpoint.resolve()) if checkpoint else None, readers, host, tuple(allowed_hosts)).publish()
    # So that a wrong file is named here. With one worker, its readers are forked from what has now been loaded.
    asyncio.run(_check("forkserver" if workers == 1 else "spawn"))
    with tempfile.TemporaryDirectory(prefix="digits-metrics-") as folder:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        address = listener.getsockname()
        shown = f"[{address[0]}]" if family == socket.AF_INET6 else address[0]
        print(f"http://{shown}:{address[1]} · Ctrl-C ends it", flush=True)  # noqa: T201 - the command line's own output
        config = uvicorn.Config(
            "digits.serving.app:make_app",
            factory=True,
            http="digits.serving.connections:Connection",
            ws="none",
            workers=workers,
            access_log=False,
            log_level="error",
            server_header=False,
            backlog=ACCEPTED_AT_ONCE,
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        )
        if workers > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listener])


async def _check(start_method: str) -> None:
    (await Reader.start(start_method)).end()


def _allow_all_files() -> None:
    """Let as many files, and so connections, be open as the system lets us have."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
