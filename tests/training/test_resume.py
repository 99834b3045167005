"""A run that was stopped anywhere ends exactly as one that was not."""

import csv
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from digits.training import StopOnSignal

AFFINE = "--data.augmentation=digits.data.RandomAffine"
ONE_CYCLE = ["--model.lr_scheduler=torch.optim.lr_scheduler.OneCycleLR", "--model.lr_scheduler.max_lr=0.01"]
ONE_CYCLE += ["--model.lr_scheduler_config.interval=step"]
PLATEAU = ["--model.lr_scheduler=pytorch_lightning.cli.ReduceLROnPlateau", "--model.lr_scheduler.monitor=val/loss"]
PLATEAU += ["--model.lr_scheduler.patience=0", "--model.lr_scheduler.threshold=0.9", "--model.lr_scheduler.factor=0.5"]
STEP_PLATEAU = [*PLATEAU, "--model.lr_scheduler_config.interval=step"]
AVERAGE = ["--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.decay=0.8"]
EARLY = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/loss"]

CASES = {
    "mlp": ("MLP", ["--model.dropout=0.3", AFFINE, *ONE_CYCLE, *AVERAGE, *EARLY]),
    "cnn": ("CNN", ["--model.hidden=[16]", "--model.dropout=0.3", AFFINE, *PLATEAU, "--data.num_workers=1"]),
    "accumulated": ("MLP", [AFFINE, *ONE_CYCLE, "--trainer.accumulate_grad_batches=3", "--data.batch_size=64"]),
    "bf16": ("MLP", ["--model.dropout=0.3", *ONE_CYCLE, "--trainer.precision=bf16-mixed"]),
    "within": ("MLP", [AFFINE, *PLATEAU, *AVERAGE, *EARLY, "--trainer.val_check_interval=0.7"]),
    "often": (
        "MLP",
        [*STEP_PLATEAU, *EARLY, "--trainer.val_check_interval=3", "--trainer.check_val_every_n_epoch=null"],
    ),
    "seldom": ("MLP", [*PLATEAU, "--trainer.check_val_every_n_epoch=2", "--trainer.max_epochs=5"]),
    "amid accumulation": ("MLP", ["--trainer.accumulate_grad_batches=3", "--trainer.val_check_interval=4"]),
    "overfit": ("MLP", [AFFINE, "--trainer.overfit_batches=3", "--trainer.max_epochs=3"]),
    "steps": ("MLP", [AFFINE, *ONE_CYCLE, "--trainer.max_epochs=-1", "--trainer.max_steps=10"]),
}
ALWAYS = ["--trainer.max_epochs=2", "--trainer.log_every_n_steps=1", "--report=false"]
STEPS = {
    "mlp": [1, 3, 4, 6, 8],
    "accumulated": [2, 6, 12],
    "within": [2, 3, 7],
    "often": [3, 5],
    "seldom": [10],
    "amid accumulation": [1, 4],
    "overfit": [2, 5],
    "steps": [5, 8],
}


def _outcome(run):
    """Everything that training leaves behind: weights, optimizer, schedule, averages, table and curves."""
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    tensors = {}
    for part in ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers", "averaging_state"):
        _collect(part, saved.get(part), tensors)
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    _collect("best", best["state_dict"], tensors)
    tensors["best.step"] = best["global_step"]
    tensors |= {f"callbacks.{name}": state for name, state in _callback_states(saved)}
    figures = json.loads((run / "metrics.json").read_text())
    tensors |= {f"figures.{name}": value for name, value in figures.items() if name.startswith(("val/", "test/"))}
    rows = list(csv.reader((run / "metrics.csv").open()))
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0}).Reload()
    curves = {
        tag: [(point.step, point.value) for point in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not tag.startswith("final/")
    }
    pictures = {tag: [image.step for image in events.Images(tag)] for tag in events.Tags()["images"]}
    return tensors, saved["global_step"], rows, curves | pictures


def _callback_states(saved):
    """The states of the callbacks that decide: best score, patience."""
    for name, state in saved["callbacks"].items():
        if name.startswith("EarlyStopping"):
            yield name, {key: state[key] for key in ("wait_count", "best_score", "stopped_epoch")}
        elif "val/accuracy" in name:
            yield name, state["best_model_score"]


def _collect(name, value, into):
    if isinstance(value, dict):
        for key, item in value.items():
            _collect(f"{name}.{key}", item, into)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _collect(f"{name}.{number}", item, into)
    else:
        into[name] = value


def _assert_identical(one, other):
    for name in one[0].keys() | other[0].keys():
        first, second = one[0][name], other[0][name]
        same = torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second
        assert same, name
    assert one[1:3] == other[1:3]
    for tag in one[3].keys() | other[3].keys():
        assert one[3].get(tag) == other[3].get(tag), tag


@pytest.fixture
def stop_at(monkeypatch):
    """Send this process a real signal at the end of the batch that makes a certain optimizer step."""
    original = StopOnSignal.on_train_batch_end

    def arm(step, number=signal.SIGTERM):
        def hook(self, trainer, *arguments):
            if trainer.global_step == step:
                os.kill(os.getpid(), number)
            original(self, trainer, *arguments)

        monkeypatch.setattr(StopOnSignal, "on_train_batch_end", hook)

    yield arm
    monkeypatch.setattr(StopOnSignal, "on_train_batch_end", original)


def test_the_same_seed_twice_gives_the_same_weights_and_another_seed_others(fit):
    options = [AFFINE, "--model.dropout=0.3", "--trainer.max_epochs=1"]
    first, second, third = (
        _outcome(fit(*options, "--seed_everything", seed, runs_dir=f"run_{number}"))
        for number, seed in enumerate(("3", "3", "4"))
    )
    _assert_identical(first, second)
    assert not torch.equal(first[0]["state_dict.network.1.weight"], third[0]["state_dict.network.1.weight"])


@pytest.mark.parametrize("case", CASES)
def test_stopped_anywhere_and_resumed_is_identical(case, digits, fit, stop_at, monkeypatch):
    model, options = CASES[case]
    undisturbed = _outcome(fit(*ALWAYS, *options, model=model, runs_dir="whole"))
    for step in STEPS.get(case, [2, 4, 8]):
        stop_at(step)
        quick = ["--data.source", "uci", "--trainer.enable_progress_bar=false", "--runs_dir", f"at_{step}"]
        status, _, errors = digits("fit", "--model", model, *quick, *ALWAYS, *options)
        assert status == 143, errors
        stop_at(-1)
        monkeypatch.setenv("PL_GLOBAL_SEED", "99")
        status, _, errors = digits(
            "fit", "--runs_dir", f"at_{step}", "--ckpt_path", "last", "--seed_everything", str(step)
        )
        assert status == 0, errors
        monkeypatch.delenv("PL_GLOBAL_SEED")
        (run,) = Path(f"at_{step}").glob("*/version_*")
        _assert_identical(_outcome(run), undisturbed)
