"""Flags given on a resume win over what the checkpoint holds of optimizer and schedule."""

import pytest
import torch

ONE_CYCLE = ["--model.lr_scheduler=torch.optim.lr_scheduler.OneCycleLR", "--model.lr_scheduler.max_lr=0.01"]
ONE_CYCLE += ["--model.lr_scheduler_config.interval=step"]
STEP = ["--model.lr_scheduler=torch.optim.lr_scheduler.StepLR", "--model.lr_scheduler.step_size=1"]
PLATEAU = ["--model.lr_scheduler=pytorch_lightning.cli.ReduceLROnPlateau", "--model.lr_scheduler.monitor=val/loss"]


def _resume(digits, *flags):
    status, _, errors = digits("fit", "--ckpt_path", "last", *flags)
    assert status == 0, errors


def _saved(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def _rate(run):
    return _saved(run)["optimizer_states"][0]["param_groups"][0]["lr"]


def test_learning_rate(fit, digits):
    run = fit()
    _resume(digits, "--trainer.max_epochs", "2", "--model.optimizer.lr", "0.25")
    assert _rate(run) == 0.25
    assert _saved(run)["optimizer_states"][0]["state"][0]["step"] == 8, "the moments went on"


def test_more_epochs_stretch_a_one_cycle_schedule(fit, digits):
    run = fit(*ONE_CYCLE)
    _resume(digits, "--trainer.max_epochs", "3")
    whole = fit(*ONE_CYCLE, "--trainer.max_epochs", "3", runs_dir="whole")
    assert _saved(run)["lr_schedulers"] == _saved(whole)["lr_schedulers"]
    assert _rate(run) == _rate(whole)


def test_another_decay_counts_from_the_start(fit, digits):
    run = fit(*STEP, "--model.lr_scheduler.gamma=0.5", "--model.optimizer.lr", "1.0", "--trainer.max_epochs", "2")
    assert _rate(run) == 0.25
    _resume(digits, "--model.lr_scheduler.gamma=0.1", "--trainer.max_epochs", "3")
    assert _rate(run) == pytest.approx(0.001)


def test_plateau_keeps_what_it_has_seen(fit, digits):
    run = fit(
        "--model.normalization=none", *PLATEAU, "--model.lr_scheduler.patience=0", "--model.lr_scheduler.factor=0.5"
    )
    best = _saved(run)["lr_schedulers"][0]["best"]
    _resume(digits, "--trainer.max_epochs", "2", "--model.lr_scheduler.patience=7", "--model.optimizer.lr", "0")
    scheduler = _saved(run)["lr_schedulers"][0]
    assert scheduler["patience"] == 7
    assert scheduler["factor"] == 0.5
    assert scheduler["best"] == best, "nothing was learned since"
    assert scheduler["last_epoch"] == 2
    assert _rate(run) == 0
