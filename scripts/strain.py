"""Load and abuse a running service: many clients at once, then thousands of uploads that are no pictures.

    python -m digits serve &
    python scripts/strain.py --clients 200 --seconds 60 --malformed 10000

Prints how many requests were answered a second, the median and 99th percentile of their times, and every status; then
the statuses of the malformed uploads, and the service's memory before and after them where it runs on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import statistics
import struct
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_CONTENT_TYPES = ("image/png", "application/json", "", "multipart/form-data; boundary=x", "a;b=\xff")


@dataclass
class Outcome:
    """The statuses that came back, and the seconds that each answer took; status 0 is no answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def describe(self) -> str:
        ordered = sorted(self.seconds)
        p99 = ordered[int(0.99 * (len(ordered) - 1))]
        times = f"median {1000 * statistics.median(ordered):.0f} ms, p99 {1000 * p99:.0f} ms"
        return f"{len(ordered):,} requests, {times}, statuses {dict(sorted(self.statuses.items()))}"


async def post(address: tuple[str, int], body: bytes, content_type: str, connection: list[object]) -> int:
    """Send a body over a connection that is kept while the service keeps it; the status, 0 for no answer."""
    for _ in range(2):  # a kept connection may have been closed meanwhile
        if not connection:
            connection.extend(await asyncio.open_connection(*address))
            is_fresh = True
        else:
            is_fresh = False
        reader, writer = connection
        assert isinstance(reader, asyncio.StreamReader)
        assert isinstance(writer, asyncio.StreamWriter)
        try:
            head = f"POST /v1/recognize HTTP/1.1\r\nHost: {address[0]}\r\n"
            head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}"
            writer.write(head.encode("latin-1") + b"\r\n\r\n" + body)
            await writer.drain()
            answer = await reader.readuntil(b"\r\n\r\n")
            lines = answer.decode("latin-1").lower().splitlines()
            length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)
            await reader.readexactly(length)
            if "connection: close" in lines:
                writer.close()
                connection.clear()
            return int(lines[0].split()[1])
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            connection.clear()
            if is_fresh:
                return 0
    return 0


async def load(address: tuple[str, int], pictures: list[bytes], clients: int, seconds: float) -> Outcome:
    """Let ``clients`` send one picture after another for so many seconds."""
    outcome, end = Outcome(), time.monotonic() + seconds

    async def client(number: int) -> None:
        connection: list[object] = []
        chosen = random.Random(number)
        while time.monotonic() < end:
            start = time.monotonic()
            outcome.statuses[await post(address, chosen.choice(pictures), "image/png", connection)] += 1
            outcome.seconds.append(time.monotonic() - start)

    await asyncio.gather(*(client(number) for number in range(clients)))
    return outcome


async def abuse(address: tuple[str, int], uploads: list[tuple[str, bytes]], clients: int) -> Outcome:
    """Send malformed uploads, ``(content type, body)``, a few at a time."""
    outcome, left = Outcome(), iter(uploads)

    async def client() -> None:
        connection: list[object] = []
        for content_type, body in left:
            start = time.monotonic()
            outcome.statuses[await post(address, body, content_type, connection)] += 1
            outcome.seconds.append(time.monotonic() - start)

    await asyncio.gather(*(client() for _ in range(clients)))
    return outcome


def drawn_digits(count: int) -> list[bytes]:
    """PNG files with a few digits each, in the font that Pillow brings."""
    chosen = random.Random(0)
    files = []
    for _ in range(count):
        picture = Image.new("L", (320, 160), 250)
        text = "".join(str(chosen.randrange(10)) for _ in range(chosen.randint(1, 3)))
        ImageDraw.Draw(picture).text((40, 30), text, fill=20, font=ImageFont.load_default(size=80))
        files.append(_saved(picture, "PNG"))
    return files


def malformed_uploads(count: int, seed: int = 0) -> list[tuple[str, bytes]]:
    """Truncated files, altered bytes, bombs, huge dimensions, wrong types, SVG, nothing, and torn forms."""
    chosen = random.Random(seed)
    grey = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (60, 80), dtype=np.uint8))
    whole = [_saved(grey, name) for name in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")]
    bombs = [_png(20_000, 20_000), _png(2**31 - 1, 1), _png(0, 0), _png(4_000, 4_000), _bmp(2**31 - 1, 2**31 - 1)]
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


def _saved(picture: Image.Image, name: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, name)
    return file.getvalue()


def _png(width: int, height: int) -> bytes:
    """A PNG of nothing but zeros, at most 16 MB of them, that says it is so large."""
    zeros = zlib.compress(bytes(min(height * (width + 1), 1 << 24)))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zeros), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def memory_of(port: int) -> int | None:
    """The resident memory in bytes of the processes that listen on a port of this machine, if they can be found."""
    inodes = {
        line.split()[9]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    }
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()).strip("socket:[]") in inodes for link in (process / "fd").iterdir()):
                status = (process / "status").read_text().splitlines()
                total += next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))
        except (OSError, StopIteration):
            continue
    return total or None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--malformed", type=int, default=10_000)
    options = parser.parse_args()
    parts = urlsplit(options.url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    outcome = asyncio.run(load(address, drawn_digits(50), options.clients, options.seconds))
    rate = len(outcome.seconds) / options.seconds
    print(f"load: {options.clients} clients, {rate:.0f} requests/s, {outcome.describe()}")
    before = memory_of(address[1])
    outcome = asyncio.run(abuse(address, malformed_uploads(options.malformed), clients=8))
    print(f"abuse: {outcome.describe()}")
    after = memory_of(address[1])
    if before and after:
        print(f"memory: {before / 1e6:.0f} MB before the abuse, {after / 1e6:.0f} MB after it")


if __name__ == "__main__":
    main()
