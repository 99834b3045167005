"""The process that reads pictures for the service, one after another, within limits that the system enforces."""

from __future__ import annotations

import json
import math
import resource
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from digits.errors import UserError
from digits.recognition import FORMATS
from digits.serving.forms import picture_of
from digits.serving.limits import CPU_SECONDS, MAX_BYTES, READER_BYTES
from digits.serving.memory import give_back, give_back_when_freed
from digits.serving.network import PROBLEM, RECOGNIZER
from digits.serving.readers import LENGTHS

_LONG = 0.05
"""Seconds after which a picture was large enough for its memory to be worth the millisecond of giving it back."""


def serve_pictures(connection: socket.socket) -> None:
    """Answer each picture that comes over ``connection``, until it is closed.

    A message is JSON and bytes. First goes out ``{"problem": …}``, empty where all is well. A request is ``{"type",
    "layout", "probabilities"}`` and a body; its answer ``{"status", "digits"}``, of which the latter is how many were
    read, and the JSON for the client. A picture that takes more processor time than it may ends the process by
    SIGXCPU; one that takes more memory is refused, or ends it where a library does not bear that.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory()
    give_back_when_freed()
    with connection, connection.makefile("rb") as stream:
        _send(connection, {"problem": PROBLEM}, b"")
        while head := stream.read(LENGTHS.size):
            about, body = (stream.read(length) for length in LENGTHS.unpack(head))
            _limit_processor_time()
            start = time.process_time()
            _send(connection, *_answer(json.loads(about), body))
            del body
            if time.process_time() - start > _LONG:
                give_back()


def _send(connection: socket.socket, about: dict[str, Any], body: bytes) -> None:
    head = json.dumps(about).encode()
    connection.sendall(LENGTHS.pack(len(head), len(body)) + head + body)


def _answer(request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        name, picture = picture_of(request["type"], body)
        assert RECOGNIZER is not None
        page = RECOGNIZER.read(picture, request["layout"])
        answer = page.as_json(name, with_probabilities=request["probabilities"])
        # A number that is none would not be JSON; no picture may make one.
        content = json.dumps(answer, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    except UserError as error:
        return _refusal(str(error))
    except MemoryError:
        return _refusal("the picture takes too much memory to read; send a smaller one")
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return {"status": 500, "digits": 0}, b'{"error": "the server failed; its log says why"}'
    return {"status": 200, "digits": sum(map(len, page.lines))}, content


def _refusal(words: str) -> tuple[dict[str, Any], bytes]:
    answer = {"error": words, "formats": list(FORMATS), "max_bytes": MAX_BYTES}
    return {"status": 422, "digits": 0}, json.dumps(answer).encode()


def _limit_processor_time() -> None:
    """Let the system end this process when the next picture takes too long."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(usage.ru_utime + usage.ru_stime + CPU_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _limit_memory() -> None:
    """Let the system refuse more memory than pictures may take on top of what the process has."""
    if sys.platform == "linux":  # elsewhere the limit does not count what malloc takes
        status = Path("/proc/self/status").read_text().splitlines()
        now = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
        resource.setrlimit(resource.RLIMIT_DATA, (now + READER_BYTES, resource.getrlimit(resource.RLIMIT_DATA)[1]))
