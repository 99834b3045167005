"""Training runs as processes of their own, several at once on one machine."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import TypeVar

from digits.errors import Interrupted, UserError
from digits.training import PARENT, InUseError, Run, named_by
from digits.trust import trusting

Result = TypeVar("Result")

_STOPPED = (130, 143)
_ATTEMPTS = 3
"""So often a run that the system kills is begun."""
_SECONDS_TO_END = 30.0
"""So long the run of a process that is gone may take to notice."""
_ROOM = 64 * 1024


class Launcher:
    """Starts ``python -m digits`` for several threads at once, and can stop all that it has started.

    A process of its own gives every run a fresh model and Trainer, and is what several devices need: Lightning starts
    the other processes of a run by repeating the command line.

    Args:
        jobs: How many runs there are at once; each gets its share of the cores.

    """

    def __init__(self, jobs: int) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.jobs = jobs
        self._threads = max(1, cores // jobs)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.is_stopping = False

    def fit(self, runs_dir: Path, experiment: str, arguments: list[str], **environment: str) -> Run:
        """The finished run of that experiment: found, or resumed where it broke, or trained.

        ``arguments`` are fit's, for a new run. A run that the system kills, as it does when memory runs out, is begun
        again a few times. Raises UserError where fit refuses the arguments, RunFailedError where it fails, NoRoomError
        where the disk is full, InUseError where another process has the run, and Interrupted where it was stopped.
        """
        names = ["--experiment", experiment, "--runs_dir", str(runs_dir), "--report", "false"]
        kills = 0
        while True:
            run = next(iter(Run.all_in(runs_dir, experiment)), None)
            if run is not None and run.is_finished:
                return run
            start = arguments
            if run is not None and run.last.exists():
                self._wait_for(run)
                start = ["--ckpt_path", str(run.last)]
                environment |= trusting(_named(arguments))
            try:
                self.run("fit", *start, *names, log=runs_dir / experiment / "log.txt", **environment)
            except RunKilledError:
                kills += 1
                if kills == _ATTEMPTS:
                    raise

    def _wait_for(self, run: Run) -> None:
        """Let the process of a sweep that was killed, which ends after its batch, leave its run."""
        end = time.monotonic() + _SECONDS_TO_END
        while True:
            try:
                with run.lock():
                    return
            except InUseError:
                if time.monotonic() > end or self.is_stopping:
                    raise
            time.sleep(0.1)

    def run(self, *arguments: str, log: Path, **environment: str) -> None:
        """Run a verb, adding what it prints to ``log``; raises as ``fit`` does."""
        command = [sys.executable, "-m", "digits", *arguments]
        variables = os.environ | {PARENT: str(os.getpid()), "OMP_NUM_THREADS": str(self._threads)} | environment
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            begin = file.tell()
            with self._lock:
                if self.is_stopping:
                    raise Interrupted("stopped", 143)
                # In a session of its own: Ctrl-C in the terminal reaches this process alone, which then stops all.
                process = subprocess.Popen(
                    command, env=variables, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
                )
                self._running.add(process)
        try:
            status = process.wait()
        finally:
            with self._lock:
                self._running.discard(process)
        if status == 0:
            return
        if status in _STOPPED or (status < 0 and self.is_stopping):
            raise Interrupted(f"the run was stopped; see {log}", status)
        with log.open("rb") as file:
            file.seek(begin)
            said = file.read().decode(errors="replace")
        if status == -signal.SIGKILL:
            raise RunKilledError(
                f"a run was killed {_ATTEMPTS} times, as the system does when memory runs out: "
                f"take fewer --jobs or a smaller data.batch_size (all that it said: {log})"
            )
        complaints = [line for line in said.splitlines() if line.startswith("digits: error: ")]
        if _is_full(log.parent) or any(os.strerror(errno.ENOSPC) in line for line in complaints):
            raise NoRoomError(f"the disk of {log.parent} is full; make room, then the same command goes on")
        if status == 2 and complaints:
            raise UserError(complaints[-1].removeprefix("digits: error: "))
        raise RunFailedError(f"a run failed with status {status}: {_last_line(said)} (all that it said: {log})")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Have every run save its state and end, and start none anew."""
        with self._lock:
            self.is_stopping = True
            for process in self._running:
                process.send_signal(number)

    def each(
        self, tasks: Iterable[Callable[[], Result]], how_to_go_on: str, done: Callable[[Result], None] | None = None
    ) -> list[Result]:
        """What the tasks return, in their order; so many run at once as there are jobs, ``done`` hears of each.

        On Ctrl-C or SIGTERM the runs that go on are stopped, and Interrupted says ``how_to_go_on``. Where a task fails,
        the others are stopped, and its error is raised.
        """
        pool = ThreadPoolExecutor(self.jobs)
        try:
            with _signals_raised():
                futures = [pool.submit(task) for task in tasks]
                for future in as_completed(futures):
                    result = future.result()
                    if done is not None:
                        done(result)
        except BaseException as error:
            self.stop()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, KeyboardInterrupt | _TerminatedError):
                status = 130 if isinstance(error, KeyboardInterrupt) else 143
                raise Interrupted(f"stopped; {how_to_go_on}", status) from None
            raise
        pool.shutdown()
        return [future.result() for future in futures]


class RunFailedError(UserError):
    """A run ended in a way that its settings do not explain; what it said is in a file that the message names."""


class RunKilledError(RunFailedError):
    """A run was killed."""


class NoRoomError(UserError):
    """The disk that runs are kept on is full."""


class _TerminatedError(BaseException):
    """SIGTERM has come."""


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Let SIGTERM raise in the main thread, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: FrameType | None) -> None:
        raise _TerminatedError

    former = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _named(arguments: list[str]) -> set[str]:
    """The classes that a command names in flags and files, and that its own checkpoint may name therefore."""
    files = [Path(value) for option, value in pairwise(arguments) if option in ("--config", "-c")]
    return named_by(arguments, [file for file in files if file.is_file()])


def _is_full(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            return file.write(bytes(_ROOM)) < _ROOM
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
