"""Real processes and real signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LONG = ["--model", "MLP", "--data.source", "uci", "--trainer.max_epochs", "100000"]


@pytest.fixture
def training():
    """A process that is in the middle of training."""
    process = subprocess.Popen([sys.executable, "-m", "digits", "fit", *LONG], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not Path("runs/mlp/version_0/checkpoints/last.ckpt").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGUSR1, 143), (signal.SIGINT, 130)],
    ids=lambda value: str(value),
)
def test_signal_saves_and_says_how_to_resume(training, number, status):
    path = Path("runs/mlp/version_0/checkpoints/last.ckpt")
    training.send_signal(number)
    _, errors = training.communicate(timeout=60)
    assert training.returncode == status
    assert f"digits: stopped by {number.name} after " in errors
    assert f"python -m digits fit --ckpt_path {path}" in errors
    assert "Traceback" not in errors


def test_second_interrupt_quits_at_once(training):
    os.kill(training.pid, signal.SIGSTOP)  # so that both arrive before the batch can end
    training.send_signal(signal.SIGINT)
    os.kill(training.pid, signal.SIGCONT)
    time.sleep(0.0005)
    training.send_signal(signal.SIGINT)
    start = time.monotonic()
    training.communicate(timeout=30)
    assert training.returncode == 130
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("library", ["numpy/linalg", "libtorch_cpu", "scipy/special"])
def test_interrupt_while_importing_ends_quietly(library):
    process = subprocess.Popen([sys.executable, "-m", "digits", "fit", *LONG], stderr=subprocess.PIPE, text=True)
    while library not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "\ndigits: interrupted\n"
