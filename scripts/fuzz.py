"""Search for files and requests that do more than be refused: valid ones, altered in ways that keep most of them valid.

    python scripts/fuzz.py                       # ten minutes, shared by all targets of scripts/fuzz_targets.py
    python scripts/fuzz.py png http --seconds 60 --seed 7
    python scripts/fuzz.py png --again found/png-UnboundLocalError-0

Each target is a function from bytes, which may return or raise UserError, within 20 seconds of the processor and 2 GB.
What makes it do anything else, end its process included, is kept in ``--found``, the smallest of each kind; the exit
status is then 1. tests/scripts/fuzz_regressions holds what was found before, which the tests try again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz_targets import TARGETS, join, split
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from digits.errors import UserError

_SECONDS_OF_PROCESSOR = 20
_BYTES = 2_000_000_000
_MOST_CHANGES = 4
_INPUTS_IN_A_ROUND = 50
_NUMBERS = (0, 1, 2, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_TEXTS = ("0", "-1", "1e999", "NaN", "99999999999999999999", "null", "[]", "{}", '""', "\0", "\udcff", "../x")


class TakesTooLong(BaseException):
    """An input takes more of the processor than any may."""


@st.composite
def altered(draw: st.DrawFn, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    """One of the seeds with one part, or the whole, changed a few times."""
    content = draw(st.sampled_from(seeds))
    parts = split(content) if draw(st.booleans()) else None
    if not parts:
        return _change(draw, content, seeds, words)
    match draw(st.integers(0, 9)):
        case 0:
            parts.insert(draw(st.integers(0, len(parts))), draw(st.sampled_from(parts)))
        case 1:
            del parts[draw(st.integers(0, len(parts) - 1))]
        case 2:
            parts = parts[: draw(st.integers(0, len(parts)))]
        case _:
            place = draw(st.integers(0, len(parts) - 1))
            parts[place] = parts[place][0], _change(draw, parts[place][1], seeds, words)
    return join(content, parts)


def _change(draw: st.DrawFn, content: bytes, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    for _ in range(draw(st.integers(1, _MOST_CHANGES))):
        size = len(content)
        # Heads of files decide most.
        place = draw(st.integers(0, min(size, 200)) | st.integers(0, size))
        end = min(size, place + draw(st.integers(0, 64) | st.integers(0, size)))
        before, middle, after = content[:place], content[place:end], content[end:]
        match draw(st.integers(0, 8)):
            case 0 if middle:
                content = before + bytes([middle[0] ^ 1 << draw(st.integers(0, 7))]) + content[place + 1 :]
            case 1:
                content = before
            case 2:
                content = before + after
            case 3:
                content = before + middle * draw(st.sampled_from((2, 3, 50))) + after
            case 4:
                width, order = draw(st.sampled_from((1, 2, 4, 8))), draw(st.sampled_from(("big", "little")))
                number = draw(st.sampled_from(_NUMBERS)) % 2 ** (8 * width)
                content = before + number.to_bytes(width, order) + content[place + width :]
            case 5 | 6:
                content = _change_number(draw, content)
            case 7:
                content = before + draw(st.sampled_from(words) if words else st.binary(max_size=8)) + after
            case _:
                other = draw(st.sampled_from(seeds))
                content = before + other[draw(st.integers(0, len(other))) :]
    return content


def _change_number(draw: st.DrawFn, content: bytes) -> bytes:
    """Another value for one of the numbers, names or strings of a text, with or without its old width."""
    found = list(re.finditer(rb"-?\d+|\b[a-z_]{3,}\b|\"[^\"]*\"", content[:20_000]))
    if not found:
        return content
    match = draw(st.sampled_from(found))
    text = draw(st.sampled_from(_TEXTS)).encode("utf-8", "surrogateescape")
    if draw(st.booleans()):
        text = text.ljust(len(match[0]))[: len(match[0])]
    return content[: match.start()] + text + content[match.end() :]


def limit_this_process() -> None:
    """Bound the memory of all that is tried here."""
    status = Path("/proc/self/status").read_text().splitlines()
    now = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (now + _BYTES, resource.RLIM_INFINITY))


def attempt(function: Callable[[bytes], None], content: bytes) -> str:
    """Let a target have these bytes; what it did that it may not, as ``error@place``, or nothing."""

    def stop(*_: Any) -> None:
        raise TakesTooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS_OF_PROCESSOR)
    try:
        function(content)
    except UserError as error:
        return "UserError@more-than-one-line" if "\n" in str(error) else ""
    except (Exception, TakesTooLong) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/fuzz" not in frame.filename]
        ours = [frame for frame in frames if "/digits/" in frame.filename] or frames
        where = f"{Path(ours[-1].filename).stem}:{ours[-1].lineno}" if ours else str(error)[:60]
        return f"{type(error).__name__}@{where}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return ""


def search(name: str, seconds: float, seed: int, folder: Path) -> None:
    """Try one target for so long, in this process; what is found goes to ``folder``, as does what is being tried."""
    target = TARGETS[name]
    seeds, function = target.seeds(), target.function()
    limit_this_process()
    warnings.simplefilter("ignore")  # Pillow's about torn files
    for content in seeds:
        assert not (problem := attempt(function, content)), f"a seed of {name}: {problem}"
    end, count, known, last = time.monotonic() + seconds, 0, dict[str, bytes](), folder / f"{name}.last"

    def check(content: bytes) -> None:
        nonlocal count
        if time.monotonic() > end:
            return
        count += 1
        last.write_bytes(content)
        problem = attempt(function, content)
        if problem and (problem not in known or len(content) < len(known[problem])):
            known[problem] = content

    # What fails is noted above, and the search goes on; hypothesis itself would stop at the first.
    quiet = settings(
        max_examples=_INPUTS_IN_A_ROUND,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    while time.monotonic() < end:
        seeded(seed)(quiet(given(altered(seeds, target.words))(check)))()
        seed += 1
    target.close()
    last.unlink(missing_ok=True)
    for problem, content in known.items():
        path = folder / f"{name}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', problem)}"
        path.write_bytes(content)
        print(f"{name}: {problem}: {path}", flush=True)
    print(f"{name}: {count:,} inputs, {len(known)} kinds of failures", flush=True)


def fuzz(names: list[str], seconds: float, seed: int, folder: Path) -> bool:
    """Try each target in a process of its own, since what is found may end it; whether nothing was found."""
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    for name in names:
        arguments = (name, seconds / len(names), seed, folder)
        process = multiprocessing.get_context("spawn").Process(target=search, args=arguments)
        process.start()
        process.join(seconds / len(names) + 60 + 2 * _SECONDS_OF_PROCESSOR)
        if process.is_alive():
            process.kill()
            process.join()
        last = folder / f"{name}.last"
        if last.exists():
            last.rename(folder / f"{name}-ended-{process.exitcode}")
        if process.exitcode:
            print(f"{name}: the process ended with {process.exitcode}; see {folder}/{name}-ended-*", flush=True)
            (folder / f"{name}-ended-{process.exitcode}").touch()
    return not set(folder.iterdir()) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all, or some of: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=600, help="for all together; default: 600")
    parser.add_argument("--seed", type=int, default=0, help="another one makes other inputs; default: 0")
    parser.add_argument("--found", type=Path, default=Path("found"), help="folder for what is found; default: found")
    parser.add_argument("--again", type=Path, help="try this one file on the target, with its traceback")
    options = parser.parse_args()
    if unknown := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"no target {unknown[0]!r}; choose from: {', '.join(TARGETS)}")
    if options.again:
        target = TARGETS[options.targets[0]]
        target.function()(options.again.read_bytes())
        target.close()
        return
    sys.exit(not fuzz(options.targets or list(TARGETS), options.seconds, options.seed, options.found))


if __name__ == "__main__":
    main()
