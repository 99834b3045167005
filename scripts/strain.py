"""Load and attack a running service: many clients at once, malformed uploads, and attacks beside honest clients.

    python -m digits serve &
    python scripts/strain.py --clients 200 --seconds 60 --malformed 10000
    python scripts/strain.py --attacks                     # each of scripts/attacks.py's beside 50 honest clients
    python scripts/strain.py --attacks slow_heads scans --attack-seconds 20 --json attacks.json
    python scripts/strain.py --simplest                    # side by side with plain uvicorn and FastAPI

Prints how many requests were answered a second, the median and 99th percentile of their times, and every status. Under
an attack each honest client's answer must be what the service answers undisturbed, 99 of 100 within three times the
undisturbed time, /health within 100 ms, and memory must come back to within 5 %; the exit status is 1 where that does
not hold. Only a service on this machine is attacked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlsplit

from attacks import Address, by_name, malformed_uploads, saved
from PIL import Image, ImageDraw, ImageFont

_HONEST, _HOSTILE = 50, 20
_SECONDS_TO_SETTLE = 15
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass
class Outcome:
    """Which statuses came back (0 for no answer), how many seconds each took, and how many answers were wrong."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: int = 0

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share was answered."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[int(share * (len(ordered) - 1))]

    def describe(self) -> str:
        times = f"median {1000 * statistics.median(self.seconds):.0f} ms, p99 {self.quantile(0.99):.0f} ms"
        return f"{len(self.seconds):,} requests, {times}, statuses {dict(sorted(self.statuses.items()))}"


@dataclass(frozen=True)
class UnderAttack:
    """What honest clients had beside an attack; times in milliseconds, memory in bytes."""

    attack: str
    answered: int
    refused: int
    wrong: int
    median: float
    p99: float
    p99_undisturbed: float
    health_p99: float
    health_undisturbed: float
    health_most: float
    memory_before: int
    memory_after: int

    @property
    def holds(self) -> bool:
        slower, larger = self.p99 / self.p99_undisturbed, self.memory_after / max(self.memory_before, 1)
        return not self.refused and not self.wrong and slower <= 3 and self.health_p99 <= 100 and larger <= 1.05


class Connection:
    """A connection that is kept while the service keeps it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, head: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request, of which ``head`` is what comes after its Host; the status, 0 for no answer, and the body."""
        line, _, rest = head.partition("\n")
        request = f"{line} HTTP/1.1\r\nHost: {self._address[0]}\r\n{rest}Content-Length: {len(body)}\r\n\r\n"
        for _ in range(2):  # a kept connection may have been closed meanwhile
            is_fresh = self._streams is None
            try:
                reader, writer = self._streams = self._streams or await asyncio.open_connection(*self._address)
                writer.write(request.encode("latin-1") + body)
                await writer.drain()
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().splitlines()
                length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)
                answer = await reader.readexactly(length)
                if "connection: close" in lines:
                    self.close()
                return int(lines[0].split()[1]), answer
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                if is_fresh:
                    break
        return 0, b""

    async def post(self, body: bytes, content_type: str) -> tuple[int, bytes]:
        """Have a picture read."""
        return await self.ask(f"POST /v1/recognize\nContent-Type: {content_type}\r\n", body)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def load(address: Address, pictures: dict[bytes, bytes], clients: int, seconds: float) -> Outcome:
    """Let ``clients`` send one picture after another for so many seconds; ``pictures`` have the right answers."""
    outcome, end = Outcome(), time.monotonic() + seconds

    async def client(number: int) -> None:
        connection, chosen = Connection(address), random.Random(number)
        while time.monotonic() < end:
            start, picture = time.monotonic(), chosen.choice(list(pictures))
            status, answer = await connection.post(picture, "image/png")
            outcome.seconds.append(time.monotonic() - start)
            outcome.statuses[status] += 1
            outcome.wrong += status == 200 and answer != pictures[picture]
        connection.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return outcome


async def watch_health(address: Address, seconds: float) -> Outcome:
    """Ask for /health every 50 ms."""
    outcome, end, connection = Outcome(), time.monotonic() + seconds, Connection(address)
    while time.monotonic() < end:
        start = time.monotonic()
        outcome.statuses[(await connection.ask("GET /health\n"))[0]] += 1
        outcome.seconds.append(time.monotonic() - start)
        await asyncio.sleep(0.05)
    connection.close()
    return outcome


async def abuse(address: Address, uploads: list[tuple[str, bytes]], clients: int) -> Outcome:
    """Send malformed uploads, ``(content type, body)``, a few at a time."""
    outcome, left = Outcome(), iter(uploads)

    async def client() -> None:
        connection = Connection(address)
        for content_type, body in left:
            start = time.monotonic()
            outcome.statuses[(await connection.post(body, content_type))[0]] += 1
            outcome.seconds.append(time.monotonic() - start)
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return outcome


async def drawn_digits(address: Address, count: int) -> dict[bytes, bytes]:
    """PNG files with a few digits each, in the font that Pillow brings, and what the service answers to each.

    Those that it does not read as they are drawn are left out.
    """
    chosen, connection, pictures = random.Random(0), Connection(address), {}
    for _ in range(count):
        picture = Image.new("L", (320, 160), 250)
        text = "".join(str(chosen.randrange(10)) for _ in range(chosen.randint(1, 3)))
        ImageDraw.Draw(picture).text((40, 30), text, fill=20, font=ImageFont.load_default(size=80))
        file = saved(picture, "PNG")
        status, answer = await connection.post(file, "image/png")
        if status == 200 and json.loads(answer)["text"] == [text]:
            pictures[file] = answer
    connection.close()
    assert pictures, "the service reads nothing rightly"
    return pictures


def _attack(name: str, address: Address, seconds: float) -> None:
    async def all_clients() -> None:
        attack = by_name()[name]
        clients = (attack(address, time.monotonic() + seconds, number) for number in range(_HOSTILE))
        await asyncio.gather(*clients)

    asyncio.run(all_clients())


async def under_attack(address: Address, name: str, pictures: dict[bytes, bytes], seconds: float) -> UnderAttack:
    """Honest clients alone, and then beside an attack, which has a process of its own."""
    before = memory_of(address[1])
    quarter = max(5.0, seconds / 4)
    alone, calm = await asyncio.gather(load(address, pictures, _HONEST, quarter), watch_health(address, quarter))
    attacking = get_context("spawn").Process(target=_attack, args=(name, address, seconds + 3), daemon=True)
    attacking.start()
    await asyncio.sleep(3)  # it begins
    honest, health = await asyncio.gather(
        load(address, pictures, _HONEST, seconds - 3), watch_health(address, seconds - 3)
    )
    await asyncio.to_thread(attacking.join, 30)
    attacking.kill()
    deadline, after = time.monotonic() + _SECONDS_TO_SETTLE, memory_of(address[1])
    while time.monotonic() < deadline and after > 1.05 * before:
        await asyncio.sleep(1)
        await load(address, pictures, 2, 0.1)
        after = memory_of(address[1])
    answered = honest.statuses[200]
    return UnderAttack(
        attack=name,
        answered=answered,
        refused=honest.statuses.total() - answered,
        wrong=honest.wrong,
        median=round(honest.quantile(0.5), 1),
        p99=round(honest.quantile(0.99), 1),
        p99_undisturbed=round(alone.quantile(0.99), 1),
        health_p99=round(health.quantile(0.99), 1),
        health_undisturbed=round(calm.quantile(0.99), 1),
        health_most=round(health.quantile(1), 1),
        memory_before=before,
        memory_after=after,
    )


def memory_of(port: int) -> int:
    """Bytes of memory, what is shared counted once, of the processes that listen on a port here, and their children's.

    0 where they cannot be found.
    """
    inodes = {
        line.split()[9]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    }
    parents, wanted = {}, set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[process.name] = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if any(str(link.readlink()).strip("socket:[]") in inodes for link in (process / "fd").iterdir()):
                wanted.add(process.name)
        except OSError:
            continue
    for _ in range(5):
        wanted |= {child for child, parent in parents.items() if parent in wanted}
    total = 0
    for name in wanted:
        try:
            lines = Path(f"/proc/{name}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total


async def attack_all(address: Address, names: list[str], seconds: float, file: Path | None) -> bool:
    """Each attack after the other, as a table; whether all was as it should be."""
    pictures, rows = await drawn_digits(address, 50), []
    await load(address, pictures, _HONEST, 5)  # warm from here on
    heads = f"{'attack':<16}{'answered':>9}{'refused':>8}{'wrong':>6}{'median':>8}{'p99':>8}{'alone':>8}{'health':>8}"
    print(f"{heads}{'alone':>8}{'most':>8}{'memory':>9}   (ms; memory after, to before)", flush=True)
    for name in names:
        row = await under_attack(address, name, pictures, seconds)
        rows.append(row)
        figures = f"{row.answered:>9}{row.refused:>8}{row.wrong:>6}{row.median:>8.0f}{row.p99:>8.0f}"
        figures += f"{row.p99_undisturbed:>8.0f}{row.health_p99:>8.0f}"
        figures += f"{row.health_undisturbed:>8.0f}{row.health_most:>8.0f}"
        memory = row.memory_after / max(row.memory_before, 1)
        print(f"{name:<16}{figures}{memory:>9.2f}   {'' if row.holds else 'MISSED'}", flush=True)
    if file is not None:
        file.write_text(json.dumps([asdict(row) | {"holds": row.holds} for row in rows], indent=2) + "\n")
    return all(row.holds for row in rows)


async def compare(address: Address, seconds: float, rounds: int = 3) -> None:
    """The service beside the simplest app around the same Recognizer, in turns."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(__file__).with_name("simplest_app.py")
    with subprocess.Popen([sys.executable, str(program), str(port)]) as process:
        try:
            other = ("127.0.0.1", port)
            while (await Connection(other).ask("GET /docs\n"))[0] != 200:
                await asyncio.sleep(0.2)
            figures: dict[str, list[tuple[float, float]]] = {"digits serve": [], "the simplest app": []}
            pictures = await drawn_digits(address, 50)
            for _ in range(rounds):
                for name, where in zip(figures, (address, other), strict=True):
                    await load(where, pictures, 1, 1)
                    alone, many = await load(where, pictures, 1, seconds), await load(where, pictures, 200, seconds)
                    figures[name].append((alone.quantile(0.5), len(many.seconds) / seconds))
            for name, pairs in figures.items():
                latency, rate = (statistics.median(values) for values in zip(*pairs, strict=True))
                print(f"{name}: keep-alive {latency:.1f} ms, {rate:.0f} requests/s at 200 connections")
        finally:
            process.terminate()


def _load_and_abuse(address: Address, clients: int, seconds: float, malformed: int) -> None:
    async def both() -> None:
        outcome = await load(address, await drawn_digits(address, 50), clients, seconds)
        rate = len(outcome.seconds) / seconds
        print(f"load: {clients} clients, {rate:.0f} requests/s, {outcome.describe()}")
        before = memory_of(address[1])
        outcome = await abuse(address, malformed_uploads(malformed), clients=8)
        print(f"abuse: {outcome.describe()}")
        if before:
            after = memory_of(address[1])
            print(f"memory: {before / 1e6:.0f} MB before the abuse, {after / 1e6:.0f} MB after it")

    asyncio.run(both())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--malformed", type=int, default=10_000)
    parser.add_argument("--attacks", nargs="*", metavar="NAME", help=f"all, or some of: {', '.join(by_name())}")
    parser.add_argument("--attack-seconds", type=float, default=60, help="of each attack; default: 60")
    parser.add_argument("--json", type=Path, help="where to write the attacks' figures")
    parser.add_argument("--simplest", action="store_true", help="compare with the simplest app")
    options = parser.parse_args()
    parts = urlsplit(options.url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    if options.attacks is not None:
        if address[0] not in _LOOPBACK or any(name not in by_name() for name in options.attacks):
            parser.error(f"attacks are for services on this machine, and are: {', '.join(by_name())}")
        names = options.attacks or list(by_name())
        sys.exit(not asyncio.run(attack_all(address, names, options.attack_seconds, options.json)))
    if options.simplest:
        asyncio.run(compare(address, options.seconds))
    else:
        _load_and_abuse(address, options.clients, options.seconds, options.malformed)


if __name__ == "__main__":
    main()
