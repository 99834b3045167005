"""What the command line and the YAML say about learning rate and schedule, and what the optimizer then does."""

import csv
import math

import pytest
import torch
import yaml
from torch.optim.lr_scheduler import OneCycleLR

from digits.models import OneCycle

CLASSICS = ["classics/cnn-32-64", "classics/mlp-128", "classics/mlp-early-stopping", "classics/mlp-kaggle"]
RECIPES = ["champion", "cnn", "mlp", "mlp-deep", "speedrun", *CLASSICS]
QUICK = ["--data.source", "uci", "--report", "false", "--trainer.enable_progress_bar", "false"]
QUICK += ["--trainer.limit_train_batches", "2", "--trainer.limit_test_batches", "1", "--trainer.limit_val_batches", "1"]
QUICK += ["--experiment", "mine"]


@pytest.fixture
def rates(digits, tmp_path):
    """Train by a recipe for so many short epochs; returns the learning rate at the end of each."""

    def rates(recipe, *arguments, epochs=4):
        status, _, errors = digits("fit", "--config", recipe, *QUICK, "--trainer.max_epochs", epochs, *arguments)
        assert status == 0, errors
        with max(tmp_path.glob("runs/*/*/metrics.csv"), key=lambda path: path.stat().st_mtime_ns).open() as file:
            return [float(row["train/learning_rate"]) for row in csv.DictReader(file)]

    return rates


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_learning_rate_means_what_it_says(rates, recipe):
    usual = rates(recipe, "--model.optimizer.lr", "0.001", epochs=1)
    doubled = rates(recipe, "--model.optimizer.lr", "0.002", epochs=1)
    assert doubled == pytest.approx([2 * rate for rate in usual])


@pytest.mark.parametrize("recipe", ["mlp", "classics/mlp-kaggle"])
def test_the_learning_rate_of_a_resume(rates, recipe):
    usual = rates(recipe)
    changed = rates(recipe, "--ckpt_path", "last", "--model.optimizer.lr", "0.01", epochs=8)
    straight = rates(recipe, "--model.optimizer.lr", "0.01", epochs=8)
    assert changed == pytest.approx([*usual, *straight[4:]])


@pytest.mark.parametrize(
    "variant",
    [
        ["--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.decay=0.9"],
        ["--trainer.gradient_clip_val", "1.0"],
        ["--trainer.accumulate_grad_batches", "2", "--trainer.limit_train_batches", "4"],
    ],
)
def test_averaged_clipped_and_accumulated_variants_have_the_same_schedule(rates, variant):
    assert rates("mlp", *variant) == pytest.approx(rates("mlp"))


def test_another_schedule_acts_when_it_usually_does(rates):
    stepped = rates("mlp", "--model.lr_scheduler", "StepLR", "--model.lr_scheduler.step_size", "2")
    assert stepped == pytest.approx([3e-3, 3e-4, 3e-4, 3e-5])  # after epochs, and not after steps as the recipe's
    plateau = ["--model.lr_scheduler=torch.optim.lr_scheduler.ReduceLROnPlateau", "--model.lr_scheduler.patience=0"]
    plateau += ["--model.lr_scheduler.threshold=10", "--trainer.limit_val_batches", "1.0"]
    assert rates("mlp", *plateau) == pytest.approx([3e-3, 3e-4, 3e-5, 3e-6])


@pytest.fixture
def schedule(tmp_path):
    """Write a YAML with a schedule; returns its name."""

    def schedule(class_path, **arguments):
        settings = {"model": {"init_args": {"lr_scheduler": {"class_path": class_path, "init_args": arguments}}}}
        (tmp_path / "schedule.yaml").write_text(yaml.safe_dump(settings))
        return "schedule.yaml"

    return schedule


def test_warm_up_then_cosine_as_one_chain(rates, schedule):
    parts = [
        {"class_path": "LinearLR", "init_args": {"start_factor": 0.1, "total_iters": 2}},
        {"class_path": "CosineAnnealingLR", "init_args": {"T_max": 2}},
    ]
    config = schedule("digits.models.Chain", schedules=parts, milestones=[2])
    assert rates("mlp", "--config", config) == pytest.approx([1.65e-3, 3e-3, 1.5e-3, 0])


def test_a_function_as_schedule(rates, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from torch.optim import Optimizer\n"
        "from torch.optim.lr_scheduler import LambdaLR, LRScheduler\n"
        "def shrinking(optimizer: Optimizer) -> LRScheduler:\n"
        "    return LambdaLR(optimizer, lambda epoch: 0.5**epoch)\n"
        "def plainly(optimizer):\n"
        "    return shrinking(optimizer)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for function in ("mine.shrinking", "mine.plainly"):
        assert rates("mlp", "--model.lr_scheduler", function, epochs=2) == pytest.approx([1.5e-3, 0.75e-3])


def test_a_cosine_falls_over_the_whole_run_unless_told(rates):
    falling = [3e-3 * (1 + math.cos(math.pi * epoch / 3)) / 2 for epoch in (1, 2, 3)]
    assert rates("mlp", "--model.lr_scheduler", "CosineAnnealingLR", epochs=3) == pytest.approx(falling, abs=1e-9)


def test_a_plateau_by_its_short_name_watches_the_validation(rates):
    plateau = ["--model.lr_scheduler", "ReduceLROnPlateau", "--model.lr_scheduler.patience=0"]
    assert rates("mlp", *plateau, "--model.lr_scheduler.threshold=10", epochs=2)[-1] < 3e-3


def test_one_cycle_is_torchs_around_the_optimizers_rate():
    ours, theirs = (torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2, momentum=0.9) for _ in range(2))
    cycle = OneCycle(ours, total_steps=10, pct_start=0.2)
    expected = OneCycleLR(theirs, max_lr=0.2, total_steps=10, pct_start=0.2)
    for _ in range(9):
        for optimizer, scheduler in ((ours, cycle), (theirs, expected)):
            optimizer.step()
            scheduler.step()
        assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]
        assert ours.param_groups[0]["momentum"] == theirs.param_groups[0]["momentum"]


def test_one_cycle_whose_rise_is_a_single_step_and_whose_optimizer_has_no_momentum():
    optimizer = torch.optim.Adagrad([torch.zeros(1, requires_grad=True)], lr=0.2)
    cycle = OneCycle(optimizer, total_steps=5, pct_start=0.2)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2 / 25)
    for _ in range(4):
        optimizer.step()
        cycle.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2 / 25 / 1e4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model.optimizer.lr", "-1"], "model.optimizer or model.lr_scheduler: Invalid learning rate: -1.0"),
        (
            ["--model.lr_scheduler.max_lr", "1"],
            "model: lr_scheduler: unknown key 'max_lr'; did you mean 'model.optimizer.lr'?",
        ),
    ],
)
def test_refused_in_one_line(digits, tmp_path, arguments, message):
    status, _, errors = digits("fit", "--config", "mlp", *QUICK, "--trainer.enable_model_summary", "false", *arguments)
    assert (status, errors) == (2, f"digits: error: {message}\n")
    assert not any(tmp_path.glob("runs/*/*"))
