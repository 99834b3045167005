"""Fetching a file over HTTP: with a time limit, a progress bar, a checksum, and nothing half-written left behind."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

from tqdm import tqdm

_TIMEOUT_SECONDS = 10.0
_CHUNK_BYTES = 1 << 16


def md5_of(path: Path) -> str:
    """The MD5 sum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def download(urls: Sequence[str], path: Path, md5: str) -> None:
    """Fetch ``path`` from the first of ``urls`` that delivers a file with the given MD5 sum.

    Raises OSError when none of them does, with what each of them answered.
    """
    failures = []
    for url in urls:
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch(url, part, path.name)
            if (found := md5_of(part)) != md5:
                raise OSError(f"MD5 sum {found} instead of {md5}")
            part.replace(path)
            return
        except OSError as error:
            reason = error.reason if isinstance(error, URLError) else error
            failures.append(f"{url}: {reason}")
        finally:
            part.unlink(missing_ok=True)
    raise OSError("; ".join(failures))


def _fetch(url: str, target: Path, label: str) -> None:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response, target.open("wb") as file:
        length = response.headers.get("Content-Length")
        with tqdm.wrapattr(
            response, "read", total=int(length) if length else None, desc=label, disable=not sys.stderr.isatty()
        ) as body:
            shutil.copyfileobj(body, file, _CHUNK_BYTES)
