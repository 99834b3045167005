"""Processes and sockets of the service."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from digits.errors import UserError
from digits.recognition import Recognizer

_CHECKPOINT, _THREADS = "DIGITS_SERVE_CHECKPOINT", "DIGITS_SERVE_THREADS"
_MOST_REQUESTS, _MOST_BYTES, _READERS, _SECONDS = 500, 250_000_000, 2, 20.0
_SECONDS_TO_FINISH = 30


def run(checkpoint: Path | None, host: str, port: int, workers: int) -> None:
    """Serve until a signal comes, and then finish what has begun.

    Raises UserError where the address cannot be had or the checkpoint cannot be read.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)  # a name that is not found
        raise UserError(f"cannot listen on {host}:{port}: {reason}; give another --host or --port") from None
    _make_recognizer(checkpoint)  # so that a wrong file is named here, before workers start
    # Workers are new processes, which know what is in the environment.
    os.environ[_THREADS] = str(max(1, (os.cpu_count() or 1) // workers))
    if checkpoint is not None:
        os.environ[_CHECKPOINT] = str(checkpoint.resolve())
    with tempfile.TemporaryDirectory(prefix="digits-metrics-") as folder:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        address = listener.getsockname()
        shown = f"[{address[0]}]" if family == socket.AF_INET6 else address[0]
        print(f"http://{shown}:{address[1]} · Ctrl-C ends it", flush=True)  # noqa: T201 - the command line's own output
        uvicorn.run(
            "digits.serving.server:make_app",
            factory=True,
            fd=listener.fileno(),
            workers=workers,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        )


def make_app() -> FastAPI:
    """What each worker runs, from what ``run`` left in the environment."""
    from digits.serving.app import create_app  # counts requests from its import on, in the folder that `run` names
    from digits.serving.gate import Gate

    threads, checkpoint = int(os.environ[_THREADS]), os.environ.get(_CHECKPOINT)
    recognizer = _make_recognizer(Path(checkpoint) if checkpoint else None, threads)
    torch = sys.modules.get("torch")
    if torch is not None:  # else the network is an .onnx, which has been told
        torch.set_num_threads(threads)
    return create_app(recognizer, Gate(_MOST_REQUESTS, _MOST_BYTES, _READERS, _SECONDS))


def _make_recognizer(checkpoint: Path | None, threads: int | None = None) -> Recognizer:
    return Recognizer.from_checkpoint(checkpoint, threads) if checkpoint else Recognizer.pretrained()
