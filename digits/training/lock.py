"""One writer for a folder: a lock that the system takes back when its process ends, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from digits.errors import UserError

_FILE = ".lock"
_HELD_ELSEWHERE = {errno.EACCES, errno.EAGAIN}
_NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_held: set[Path] = set()
_guard = threading.Lock()


class InUseError(UserError):
    """Another process, or another thread of this one, writes into the folder."""


@contextmanager
def lock(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold ``folder`` against every other process that asks for it, on this machine or another that shares the disk.

    The lock is POSIX's on ``<folder>/.lock``: it works over NFS, forked and started processes do not inherit it, and
    the file, which says who holds it, stays. Raises InUseError naming the holder, or, with ``wait``, waits for it.
    """
    path = folder.resolve() / _FILE
    with _guard:  # a POSIX lock is the process's: its threads would pass, and closing a second file would drop it
        if path in _held:
            raise InUseError(f"{folder} is in use by this process")
        _held.add(path)
    try:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}; make room or grant access") from None
        try:
            _acquire(descriptor, folder, wait)
            yield
        finally:
            os.close(descriptor)
    finally:
        _held.discard(path)


def _acquire(descriptor: int, folder: Path, wait: bool) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in _HELD_ELSEWHERE:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace").strip()
            raise InUseError(f"{folder} is in use by {holder or 'another process'}; wait for it or stop it") from None
        if error.errno not in _NO_LOCKS_HERE:
            raise
        warnings.warn(f"the file system of {folder} has no locks; let no other process write there", stacklevel=4)
        return
    now = datetime.now().astimezone()
    holder = f"process {os.getpid()} on {socket.gethostname()} since {now:%Y-%m-%d %H:%M:%S %z}\n"
    with suppress(OSError):  # on a full disk; whoever is refused then does not learn by whom
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
