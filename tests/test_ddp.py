"""Several real processes on one CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch


def _digits(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "digits", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def _finish(process, status=0):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == status, errors
    return output, errors


def _on(processes):
    return ["--trainer.accelerator", "cpu", "--trainer.strategy", "ddp", "--trainer.devices", str(processes)]


def _test_figures(run):
    (path,) = run.glob("test-*.json")
    return {name: value for name, value in json.loads(path.read_text()).items() if name.startswith("test/")}


def test_figures_are_the_same_on_one_two_and_three_processes(fit):
    """Of MNIST where it is there: ten batches, of which three processes cannot have equally many."""
    mnist = ["--data.source", "mnist", "--data.subset", "2000"] if "DIGITS_DATA_DIR" in os.environ else []
    run = fit(*mnist, model="CNN")
    alone = json.loads((run / "metrics.json").read_text())
    assert alone["test/count"] == (10_000 if mnist else 360)
    for processes in (2, 3):
        _finish(_digits("test", "--ckpt_path", run / "checkpoints" / "best.ckpt", *_on(processes)))
        assert _test_figures(run) == {name: value for name, value in alone.items() if name.startswith("test/")}


def test_two_processes_stopped_and_resumed_end_identically():
    options = ["--model", "CNN", "--data.source", "uci", "--trainer.max_epochs", "8", "--model.hidden=[16]"]
    options += ["--report", "false"]
    options += [
        "--model.dropout=0.3",
        "--model.stages=[[8],[16]]",
        "--data.augmentation=digits.data.RandomAffine",
        "--data.batch_size=128",
        *_on(2),
    ]
    options += ["--model.stages=[[8],[16]]"]
    options += ["--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.decay=0.8"]
    _finish(_digits("fit", *options, "--runs_dir", "whole"))
    stopped = _digits("fit", *options, "--runs_dir", "stopped")
    deadline = time.monotonic() + 120
    while not list(Path("stopped").glob("*/*/checkpoints/last.ckpt")):
        assert stopped.poll() is None, stopped.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stopped.send_signal(signal.SIGTERM)
    _, errors = _finish(stopped, 143)
    assert "stopped by SIGTERM" in errors
    assert "Traceback" not in errors
    output, _ = _finish(_digits("fit", "--runs_dir", "stopped", "--ckpt_path", "last", "--seed_everything", "9"))
    assert "seed_everything stays 0" in output
    first, second = (
        torch.load(next(Path(name).glob("*/*/checkpoints/last.ckpt")), weights_only=True)
        for name in ("whole", "stopped")
    )
    assert first["global_step"] == second["global_step"] == 8 * 8
    for part in ("state_dict", "current_model_state"):
        for name, weight in first[part].items():
            assert torch.equal(weight, second[part][name]), name
    rows = [Path(name, "cnn/version_0/metrics.csv").read_text() for name in ("whole", "stopped")]
    assert rows[0] == rows[1]


def test_batch_that_cannot_be_shared():
    process = _digits("fit", "--model", "MLP", "--data.source", "uci", "--data.batch_size", "33", *_on(2))
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "data.batch_size 33 cannot be shared equally by 2 devices; try 32" in errors
    assert "Traceback" not in errors
