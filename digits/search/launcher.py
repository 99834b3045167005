"""Training runs as processes of their own, several at once on one machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

from digits.errors import Interrupted, UserError
from digits.training import PARENT

Result = TypeVar("Result")

_STOPPED = (130, 143)


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

    def fit(self, runs_dir: Path, experiment: str, arguments: list[str], **environment: str) -> Path:
        """The folder of the finished run of that experiment: found, or resumed where it broke, or trained.

        ``arguments`` are fit's, for a new run. Raises UserError where fit refuses them, RunFailedError where it fails,
        and Interrupted where it was stopped.
        """
        run = _newest(runs_dir / experiment)
        if run is not None and (run / "metrics.json").exists():
            return run
        last = None if run is None else run / "checkpoints" / "last.ckpt"
        start = ["--ckpt_path", str(last)] if last is not None and last.exists() else arguments
        names = ["--experiment", experiment, "--runs_dir", str(runs_dir), "--report", "false"]
        self.run("fit", *start, *names, log=runs_dir / experiment / "log.txt", **environment)
        run = _newest(runs_dir / experiment)
        assert run is not None
        return run

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
        complaints = [line for line in said.splitlines() if line.startswith("digits: error: ")]
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


class RunFailedError(Exception):
    """A run ended in a way that is not a user's mistake."""


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


def _newest(experiment: Path) -> Path | None:
    return max(experiment.glob("version_*"), key=lambda path: path.stat().st_mtime, default=None)


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
