"""A run that was stopped anywhere ends exactly as one that was not."""

import os
import random
import signal
from pathlib import Path

import pytest
import torch

from digits.training import StopOnSignal
from scripts.torture import differences, draw, outcome

AFFINE = "--data.augmentation=digits.data.RandomAffine"
ONE_CYCLE = ["--model.lr_scheduler=torch.optim.lr_scheduler.OneCycleLR", "--model.lr_scheduler.max_lr=0.01"]
ONE_CYCLE += ["--model.lr_scheduler_config.interval=step"]
PLATEAU = ["--model.lr_scheduler=pytorch_lightning.cli.ReduceLROnPlateau", "--model.lr_scheduler.monitor=val/loss"]
PLATEAU += ["--model.lr_scheduler.patience=0", "--model.lr_scheduler.threshold=0.9", "--model.lr_scheduler.factor=0.5"]
STEP_PLATEAU = [*PLATEAU, "--model.lr_scheduler_config.interval=step"]
AVERAGE = ["--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.decay=0.8"]
EARLY = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/loss"]

PAGES = ["--data=digits.data.PagesDataModule", "--data.side=64", "--data.batch_size=2", "--data.pages_per_epoch=8"]
PAGES += ["--data.validation_pages=4", "--data.test_pages=2", "--data.num_workers=1", "--model.warmup=3"]

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
    "pages": ("Finder", [*PAGES, *AVERAGE]),
    "steps": ("MLP", [AFFINE, *ONE_CYCLE, "--trainer.max_epochs=-1", "--trainer.max_steps=10"]),
}
_SLOW = ["pages", "seldom", "steps"]
ALWAYS = ["--trainer.max_epochs=2", "--trainer.log_every_n_steps=1", "--report=false"]
DRAWN = {
    f"{model} {seed}": (model, ["--data.batch_size=64", *draw(random.Random(seed))])
    for model, seed in (("MLP", 1), ("MLP", 2), ("CNN", 3), ("MLP", 4), ("CNN", 5))
}
STEPS = {
    "mlp": [1, 3, 4, 6, 8],
    "accumulated": [2, 6, 12],
    "within": [2, 3, 7],
    "often": [3, 5],
    "seldom": [10],
    "amid accumulation": [1, 4],
    "overfit": [2, 5],
    "steps": [5, 8],
    "pages": [2, 4, 7],
}


def _assert_identical(one, other):
    assert differences(one, other) == []


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
        outcome(fit(*options, "--seed_everything", seed, runs_dir=f"run_{number}"))
        for number, seed in enumerate(("3", "3", "4"))
    )
    _assert_identical(first, second)
    assert not torch.equal(first["state_dict.network.1.weight"], third["state_dict.network.1.weight"])


@pytest.mark.parametrize(
    "case",
    [
        *(name for name in CASES if name not in _SLOW),
        *(pytest.param(name, marks=pytest.mark.slow) for name in [*_SLOW, *DRAWN]),
    ],
)
def test_stopped_anywhere_and_resumed_is_identical(case, digits, fit, stop_at, monkeypatch):
    model, options = (CASES | DRAWN)[case]
    undisturbed = outcome(fit(*ALWAYS, *options, model=model, runs_dir="whole"))
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
        _assert_identical(outcome(run), undisturbed)


def test_a_run_that_ended_amid_gathered_gradients_keeps_its_last_validation(digits, fit):
    early = ("--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor", "val/loss")
    run = fit(
        *("--data.batch_size", "64", "--trainer.accumulate_grad_batches", "3", "--trainer.val_check_interval", "0.7"),
        *(*early, "--trainer.callbacks.patience", "1", "--trainer.callbacks.min_delta", "9"),
        *("--trainer.max_epochs", "4"),
    )
    before = outcome(run)["curve val/loss"]
    assert len(before) == 2
    assert digits("fit", "--ckpt_path", run / "checkpoints" / "last.ckpt")[0] == 0
    assert outcome(run)["curve val/loss"] == before
