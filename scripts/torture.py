"""Kill real training runs again and again; each must end exactly as one that was left in peace.

    python scripts/torture.py --kills 50                 # about 6 minutes on two cores
    python scripts/torture.py --kills 50 --model CNN

Settings are drawn at random: validations within epochs or in every other one, schedules, averaged weights, gathered
gradients, limits, early stopping, precision. With each drawing a run is trained in peace while another one of the same
settings is killed at random moments (SIGKILL, SIGTERM or SIGINT; before training, in it, while a checkpoint is being
written) and resumed, at times by two processes at once, of which one must be turned away, until it is through. Then
weights, averages, optimizer, schedule, metrics.csv, curves, best.ckpt and the figures of metrics.json of the two must
be the same to the last bit. Exit status 0 if all are.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

_SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
_STOPPED = {-signal.SIGKILL, -signal.SIGTERM, 143, 130}
_KILLS_OF_A_RUN = 6
_LOG = "log.txt"

_ONE_CYCLE = (
    "--model.lr_scheduler=torch.optim.lr_scheduler.OneCycleLR",
    "--model.lr_scheduler.max_lr=0.01",
    "--model.lr_scheduler_config.interval=step",
)
_PLATEAU = (
    "--model.lr_scheduler=pytorch_lightning.cli.ReduceLROnPlateau",
    *("--model.lr_scheduler.monitor=val/loss", "--model.lr_scheduler.patience=0"),
    *("--model.lr_scheduler.threshold=0.1", "--model.lr_scheduler.factor=0.7"),
)
_AVERAGE = ("--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.decay=0.9")
_EARLY = ("--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/loss")

CHOICES: list[list[tuple[str, ...]]] = [
    [
        (),
        ("--trainer.val_check_interval=0.7",),
        ("--trainer.val_check_interval=0.35",),
        ("--trainer.val_check_interval=5",),
        ("--trainer.check_val_every_n_epoch=2",),
        ("--trainer.check_val_every_n_epoch=null", "--trainer.val_check_interval=13"),
    ],
    [(), _ONE_CYCLE, _PLATEAU, (*_PLATEAU, "--model.lr_scheduler_config.interval=step")],
    [(), _AVERAGE, (*_AVERAGE, "--trainer.callbacks.update_every_n_steps=3")],
    [(), (*_EARLY, "--trainer.callbacks.patience=4"), (*_EARLY, "--trainer.callbacks.min_delta=0.05")],
    [(), (), ("--trainer.accumulate_grad_batches=3",), ("--trainer.gradient_clip_val=1",)],
    [
        (),
        (),
        ("--trainer.limit_train_batches=0.6",),
        ("--trainer.limit_val_batches=1",),
        ("--trainer.overfit_batches=8",),
    ],
    [(), ("--checkpoint_every_n_steps=5",), ("--checkpoint_every_n_steps=7",)],
    [(), ("--trainer.precision=bf16-mixed",), ("--trainer.precision=32-true",)],
    [(), ("--data.augmentation=digits.data.RandomAffine",)],
    [(), ("--model.dropout=0.2",)],
    [(), ("--model.optimizer=SGD", "--model.optimizer.lr=0.05", "--model.optimizer.momentum=0.9")],
    [(), (), ("--trainer.max_epochs=-1", "--trainer.max_steps=100")],
]


def draw(chance: random.Random) -> list[str]:
    """Settings of a run, at random."""
    return [option for choices in CHOICES for option in chance.choice(choices)]


def outcome(run: Path) -> dict[str, Any]:
    """Everything that a finished run in the folder ``run`` leaves behind, by name; times apart."""
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    left: dict[str, Any] = {"step": saved["global_step"], "best.step": best["global_step"]}
    for part in ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers", "averaging_state"):
        _flatten(part, saved.get(part), left)
    _flatten("best", best["state_dict"], left)
    for name, state in saved["callbacks"].items():
        if name.startswith("EarlyStopping"):
            left |= {f"{name}.{key}": state[key] for key in ("wait_count", "best_score", "stopped_epoch")}
        elif "val/accuracy" in name:
            left[f"{name}.best"] = state["best_model_score"]
    figures = json.loads((run / "metrics.json").read_text())
    left |= {name: value for name, value in figures.items() if name.startswith(("val/", "test/", "epochs", "temp"))}
    with (run / "metrics.csv").open(newline="") as file:
        left["metrics.csv"] = list(csv.reader(file))
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0}).Reload()
    for tag in events.Tags()["scalars"]:
        if not tag.startswith("final/"):
            left[f"curve {tag}"] = [(point.step, point.value) for point in events.Scalars(tag)]
    for tag in events.Tags()["images"]:
        left[f"picture {tag}"] = [image.step for image in events.Images(tag)]
    return left


def _flatten(name: str, value: Any, into: dict[str, Any]) -> None:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            _flatten(f"{name}.{key}", item, into)
    else:
        into[name] = value


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names of what differs between two outcomes."""
    names = sorted(one.keys() | other.keys())
    return [name for name in names if not _is_same(one.get(name), other.get(name))]


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return bool(one == other)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="how often to kill")
    parser.add_argument("--model", choices=["MLP", "CNN"], default="MLP", help="what to train")
    parser.add_argument("--seed", type=int, default=0, help="seed of settings and moments")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    kills, runs, differing = 0, 0, 0
    while kills < options.kills:
        settings = [*_basics(options.model, chance), *draw(chance)]
        wanted = min(_KILLS_OF_A_RUN, options.kills - kills)
        print(f"run {runs + 1}: {shlex.join(settings)}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            killed, wrong = _compare(Path(folder), settings, wanted, chance)
        kills, runs, differing = kills + killed, runs + 1, differing + bool(wrong)
        print(f"  {killed} kills: {'DIFFERENT: ' + ', '.join(wrong) if wrong else 'identical'}", flush=True)
    print(f"{kills} kills of {runs} runs with settings drawn at random: {runs - differing} of {runs} identical")
    return 1 if differing else 0


def _basics(model: str, chance: random.Random) -> list[str]:
    size = {"MLP": ["--trainer.max_epochs=8"], "CNN": ["--trainer.max_epochs=5", "--model.stages=[[8],[16]]"]}[model]
    return [
        *("--model", model, "--data.source=uci", "--data.batch_size=64", *size),
        *(f"--seed_everything={chance.randrange(1000)}", f"--trainer.log_every_n_steps={chance.choice([1, 3, 50])}"),
        *("--report=false", "--trainer.enable_model_summary=false", "--trainer.enable_progress_bar=false"),
    ]


def _compare(folder: Path, settings: list[str], kills: int, chance: random.Random) -> tuple[int, list[str]]:
    """Train in peace and under attack, side by side; how often it was killed, and what differs in the end."""
    peaceful = _start(folder / "peace", settings)
    killed = _train_under_attack(folder / "killed", settings, kills, chance)
    assert peaceful.wait() == 0, _said(folder / "peace")
    return killed, differences(outcome(_run_in(folder / "peace")), outcome(_run_in(folder / "killed")))


def _run_in(runs: Path) -> Path:
    (path,) = runs.glob("*/*/metrics.json")
    return path.parent


def _start(runs: Path, settings: list[str], resume: bool = False, log: str = _LOG) -> subprocess.Popen[bytes]:
    runs.mkdir(exist_ok=True)
    arguments = ["--ckpt_path", "last"] if resume else settings
    command = [sys.executable, "-m", "digits", "fit", *arguments, "--runs_dir", str(runs)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    with (runs / log).open("ab") as file:
        return subprocess.Popen(command, env=environment, stdout=file, stderr=file)


def _resume_twice(runs: Path) -> subprocess.Popen[bytes]:
    """Resume in two processes at once, of which one must be turned away; the other."""
    processes = {log: _start(runs, [], resume=True, log=log) for log in (_LOG, "rival.txt")}
    while all(process.poll() is None for process in processes.values()):
        time.sleep(0.01)
    refused = next(log for log, process in processes.items() if process.poll() is not None)
    assert processes[refused].returncode == 2, _said(runs, refused)
    assert "is in use by process" in _said(runs, refused), _said(runs, refused)
    (other,) = (process for log, process in processes.items() if log != refused)
    return other


def _said(runs: Path, log: str = _LOG) -> str:
    return (runs / log).read_text()[-2000:]


def _train_under_attack(runs: Path, settings: list[str], wanted: int, chance: random.Random) -> int:
    kills = 0
    while True:
        # A best.ckpt alone may be from the middle of a step; such a run is begun anew.
        is_begun = any(runs.glob("*/*/checkpoints/last.ckpt"))
        process = _resume_twice(runs) if is_begun and chance.random() < 0.3 else _start(runs, settings, resume=is_begun)
        if kills < wanted:
            number = chance.choice(_SIGNALS)
            _wait_for_a_bad_moment(process, runs, chance)
            process.send_signal(number)
        status = process.wait()
        if status == 0:  # it was through before
            return kills
        assert kills < wanted, _said(runs)
        assert status in _STOPPED, _said(runs)
        kills += 1


def _wait_for_a_bad_moment(process: subprocess.Popen[bytes], runs: Path, chance: random.Random) -> None:
    kind = chance.choices(["starting", "training", "writing"], [1, 5, 3])[0]
    if kind == "starting":
        end = time.monotonic() + chance.uniform(0, 5)
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.01)
        return
    before = _newest(runs)
    while _newest(runs) == before and process.poll() is None:
        time.sleep(0.005)
    end = time.monotonic() + chance.uniform(0, 1)
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.005)
    while kind == "writing" and process.poll() is None and not any(runs.glob("*/*/checkpoints/*.part")):
        pass


def _newest(runs: Path) -> int:
    """When a run last wrote a curve or a checkpoint, in nanoseconds."""
    files = [*runs.glob("*/*/events*"), *runs.glob("*/*/checkpoints/*.ckpt")]
    return max((path.stat().st_mtime_ns for path in files if path.exists()), default=0)


if __name__ == "__main__":
    sys.exit(main())
