"""What a hostile client sends to the service: each attack is a body, or a way to use a connection."""

from __future__ import annotations

import asyncio
import io
import random
import struct
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

Address = tuple[str, int]
Attack = Callable[[Address, float, int], Awaitable[None]]
_CONTENT_TYPES = ("image/png", "application/json", "", "multipart/form-data; boundary=x", "a;b=\xff")


def saved(picture: Image.Image, name: str, **options: Any) -> bytes:
    """The bytes of a picture's file."""
    file = io.BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()


def many_scans(count: int = 4000, side: int = 2000) -> bytes:
    """A progressive JPEG that goes over the picture again and again: a few bytes each time, all pixels to decode."""
    whole = saved(Image.new("L", (side, side), 200), "JPEG", progressive=True, quality=20)
    last = whole[whole.rfind(b"\xff\xda") : -2]
    return whole[:-2] + last * count + whole[-2:]


def flat_ellipses(count: int = 1000) -> bytes:
    """A PNG of ellipses, each of which might be six digits that touch."""
    picture = Image.new("L", (1900, 1900), 255)
    drawing, drawn = ImageDraw.Draw(picture), 0
    for top in range(0, 1870, 24):
        for left in range(0, 1840, 54):
            if drawn < count:
                drawing.ellipse((left + 2, top + 2, left + 50, top + 18), outline=0, width=2)
                drawn += 1
    return saved(picture, "PNG")


def form_of_fields(count: int = 200_000) -> tuple[str, bytes]:
    """A form of nothing but fields: its content type and its 9 MB."""
    field = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    return "multipart/form-data; boundary=x", field * min(count, 9_900_000 // len(field)) + b"--x--\r\n"


def tiff_of(value: float) -> bytes:
    """A TIFF of floats that are ``value``, which may be no number."""
    return saved(Image.fromarray(np.full((60, 80), value, dtype=np.float32)), "TIFF")


def png(width: int, height: int, before: bytes = b"") -> bytes:
    """A PNG of zeros, at most 16 MB of them, that says it is so large; ``before`` stands before the data."""
    zeros = zlib.compress(bytes(min(height * (width + 1), 1 << 24)))
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + before + png_chunk(b"IDAT", zeros) + png_chunk(b"IEND", b"")


def png_chunk(name: bytes, data: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bmp(width: int, height: int) -> bytes:
    """The head of a BMP, without pixels."""
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


_BODIES = ("scans", "ellipses", "fields", "chunks", "segments", "frames", "pixels", "noise", "no_numbers", "malformed")


def hostile_body(name: str) -> list[tuple[str, bytes]]:
    """Bodies of one kind of attack, with their content types."""
    if name == "fields":
        return [form_of_fields()]
    if name == "malformed":
        return malformed_uploads(500)
    return [("image/png", picture) for picture in _hostile_pictures(name)]


def _hostile_pictures(name: str) -> list[bytes]:
    match name:
        case "scans":
            return [many_scans()]
        case "ellipses":
            return [flat_ellipses()]
        case "chunks":
            text = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000)))
            return [png(100, 100, png_chunk(b"teSt", b"") * 700_000), png(100, 100, text * 60)]
        case "segments":
            jpeg = saved(Image.new("L", (100, 100), 200), "JPEG")
            return [jpeg[:2] + b"\xff\xe1\0\2" * 2_000_000 + jpeg[2:]]
        case "frames":
            frames = [Image.new("L", (200, 200), shade) for shade in range(200)]
            kinds = ("GIF", "TIFF", "WEBP")
            return [saved(frames[0], kind, save_all=True, append_images=frames[1:]) for kind in kinds]
        case "pixels":
            return [png(20_000, 20_000), png(2**31 - 1, 1), png(5000, 5000)]
        case "noise":
            values = np.random.default_rng(0).integers(0, 256, (1800, 1800), dtype=np.uint8)
            return [saved(Image.fromarray(values), "PNG")]
        case _:
            return [tiff_of(float("nan")), tiff_of(float("inf"))]


def malformed_uploads(count: int, seed: int = 0) -> list[tuple[str, bytes]]:
    """Truncated files, altered bytes, bombs, huge dimensions, wrong types, SVG, nothing, and torn forms."""
    chosen = random.Random(seed)
    grey = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (60, 80), dtype=np.uint8))
    whole = [saved(grey, name) for name in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")]
    bombs = [png(20_000, 20_000), png(2**31 - 1, 1), png(0, 0), png(4_000, 4_000), bmp(2**31 - 1, 2**31 - 1)]
    other = [b"", b"\x00" * 1000, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"%!PS-Adobe-3.0 EPSF-3.0"]
    other += [b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"PK\x03\x04", b"text"]
    uploads = []
    for _ in range(count):
        kind = chosen.randrange(6)
        body = bytearray(chosen.choice(whole))
        if kind == 0:
            body = body[: chosen.randrange(len(body))]
        elif kind == 1:
            for _ in range(chosen.randint(1, 20)):
                body[chosen.randrange(min(len(body), 200))] = chosen.randrange(256)
        elif kind == 2:
            for _ in range(chosen.randint(1, 50)):
                body[chosen.randrange(len(body))] = chosen.randrange(256)
        elif kind == 3:
            body = bytearray(chosen.choice(bombs))
        elif kind == 4:
            body = bytearray(chosen.choice(other))
        else:
            body = bytearray(chosen.randbytes(chosen.randrange(300)))
        content_type = chosen.choice(_CONTENT_TYPES)
        if content_type.startswith("multipart") and chosen.random() < 0.7:
            head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
            body = bytearray(head + bytes(body) + chosen.choice([b"\r\n--x--\r\n", b"", b"\r\n--x"]))
        uploads.append((content_type, bytes(body)))
    return uploads


async def _post(address: Address, content_type: str, body: bytes) -> None:
    """Send a body over a new connection and take what is answered."""
    head = f"POST /v1/recognize HTTP/1.1\r\nHost: {address[0]}\r\nConnection: close\r\n"
    head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    await _send(address, head.encode("latin-1") + body)


async def _send(address: Address, request: bytes, seconds: float = 60) -> None:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(request)
                await writer.drain()
                while await reader.read(65536):
                    pass
            finally:
                writer.close()


def _of_bodies(bodies: Callable[[], list[tuple[str, bytes]]]) -> Attack:
    """Send these again and again."""

    async def attack(address: Address, end: float, number: int) -> None:
        some = bodies()
        position = number
        while time.monotonic() < end:
            await _post(address, *some[position % len(some)])
            position += 1

    return attack


def _slowly(beginning: str, piece: bytes, connections: int = 50, pause: float = 1.0) -> Attack:
    """Open connections, send a beginning, and then a piece now and then; open them again when they are closed."""

    async def one(address: Address, end: float) -> None:
        while time.monotonic() < end:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(*address)
                writer.write(beginning.format(host=address[0]).encode())
                try:
                    while time.monotonic() < end and not writer.is_closing():
                        await asyncio.sleep(pause)
                        writer.write(piece)
                        await writer.drain()
                finally:
                    writer.close()
            await asyncio.sleep(0.1)

    async def attack(address: Address, end: float, number: int) -> None:
        await asyncio.gather(*(one(address, end) for _ in range(connections)))

    return attack


def _of_requests(request: Callable[[int], bytes], seconds: float = 60) -> Attack:
    """Send requests that are bytes, each over a connection of its own."""

    async def attack(address: Address, end: float, number: int) -> None:
        count = 0
        while time.monotonic() < end:
            await _send(address, request(1000 * number + count).replace(b"HOST", address[0].encode()), seconds)
            count += 1

    return attack


def _tiny_chunks(_: int) -> bytes:
    head = b"POST /v1/recognize HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"1\r\nx\r\n" * 500_000 + b"0\r\n\r\n"


def _invented(number: int) -> bytes:
    return b"M%d /p%d HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n" % (number, number)


def by_name() -> dict[str, Attack]:
    """Every attack: a coroutine function of the service's address, when to end, and the number of the client."""
    post = "POST /v1/recognize HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9000000\r\n\r\n"
    get = b"GET /swagger/swagger-ui-bundle.js HTTP/1.1\r\nHost: HOST\r\n\r\n"
    heads = b"".join(b"a%d: b\r\n" % number for number in range(1000))
    return {name: _of_bodies(partial(hostile_body, name)) for name in _BODIES} | {
        "slow_heads": _slowly("GET / HTTP/1.1\r\nHost: {host}\r\n", b"a: b\r\n"),
        "slow_bodies": _slowly(post, bytes(1000)),
        "stalled_bodies": _slowly(post, bytes(400_000), connections=5, pause=2.0),
        "idle": _slowly("", b"", connections=60),
        "answers_not_taken": _slowly("", get.replace(b"HOST", b"localhost") * 3, connections=20, pause=5.0),
        "tiny_chunks": _of_requests(_tiny_chunks),
        "many_headers": _of_requests(lambda _: b"GET / HTTP/1.1\r\nHost: HOST\r\n" + heads + b"\r\n"),
        "invented_names": _of_requests(_invented),
        "garbage": _of_requests(lambda number: random.Random(number).randbytes(500) + b"\r\n\r\n", seconds=2),
        "torn": _of_requests(lambda _: post.replace("{host}", "HOST").encode() + bytes(50_000), seconds=0.05),
    }
