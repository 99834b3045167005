"""Bodies of requests, read within limits, and the picture in them."""

from __future__ import annotations

import asyncio

from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from digits.serving.gate import Gate

MAX_BYTES = 10_000_000
_MOST_FORGOTTEN = 5 * MAX_BYTES
_SECONDS = 20


class RefusedError(Exception):
    """A request that cannot be answered, with the status and the words that say so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: Request, gate: Gate) -> bytearray:
    """The whole body, whose bytes the ``gate`` holds for the caller to give back.

    Raises RefusedError for one of more than 10 MB or one that does not come, Busy where there is no memory. What is
    somewhat too large is read to its end, and forgotten: a client that is still sending would not hear the answer.
    """
    body = bytearray()
    received = 0
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
                received += len(chunk)
                if received <= MAX_BYTES:
                    gate.hold(len(chunk))
                    body += chunk
                elif received > _MOST_FORGOTTEN:
                    break
        if received > MAX_BYTES:
            raise RefusedError(413, f"the request is larger than {MAX_BYTES // 1_000_000} MB")
    except BaseException as error:
        gate.bytes -= len(body)
        if isinstance(error, TimeoutError | ClientDisconnect):
            raise RefusedError(408, f"the request did not arrive within {_SECONDS} seconds") from None
        raise
    return body


def picture_of(content_type: str, body: bytearray) -> tuple[str, bytes]:
    """The name and the bytes of the picture in a body: the first file of a form, or the body itself.

    Raises RefusedError where a form holds no file.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return "picture", bytes(body)
    found: list[tuple[str, bytes]] = []

    def keep(file: object) -> None:
        stream = file.file_object  # type: ignore[attr-defined]
        stream.seek(0)
        name = (file.file_name or b"picture").decode("utf-8", "replace")  # type: ignore[attr-defined]
        found.append((name, stream.read()))
        stream.close()

    settings = {"MAX_MEMORY_FILE_SIZE": MAX_BYTES + 1}
    try:
        parser = FormParser(
            "multipart/form-data", lambda _: None, keep, boundary=options.get(b"boundary"), config=settings
        )
        parser.write(bytes(body))
        parser.finalize()
    except FormParserError as error:
        raise RefusedError(422, f"the form cannot be read: {error}") from None
    if not found:
        raise RefusedError(422, "the form holds no file; send a picture as the field `file`, or as the body itself")
    return found[0]
