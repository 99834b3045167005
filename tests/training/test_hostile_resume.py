"""Checkpoints whose state of a training is not what fit saves: taken up, or refused in one line; never a traceback."""

import copy
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

QUIET = ["--trainer.enable_progress_bar", "false"]
VERBS = {
    "fit": ["fit", *QUIET, "--trainer.enable_model_summary", "false", "--report", "false", "--ckpt_path"],
    "test": ["test", *QUIET, "--ckpt_path"],
    "recognize": ["recognize", "digit.png", "--checkpoint"],
}
REMOVED = object()
ENTRIES = [
    *("epoch", "global_step", "pytorch-lightning_version", "loops", "callbacks", "optimizer_states", "lr_schedulers"),
    *("DigitsDataModule", "digits_place", "training_progress", "hparams_name"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch with a schedule and a callback that have states."""
    from digits.__main__ import main

    folder = tmp_path_factory.mktemp("resume")
    options = ["--model", "MLP", "--model.hidden", "[8]", "--model.lr_scheduler", "OneCycle", "--data.source", "uci"]
    options += ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/loss"]
    options += ["--runs_dir", str(folder), "--trainer.max_epochs", "1", "--report", "false", *QUIET]
    assert main(["fit", *options]) == 0
    return folder / "mlp" / "version_0"


@pytest.fixture
def give(digits, trained, tmp_path):
    """Spoil the last checkpoint at some place, and give it to a verb; returns what it complains of."""
    Image.fromarray((np.eye(28) * 255).astype(np.uint8)).save(tmp_path / "digit.png")
    content = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)

    def run(verb, place, value, *more):
        spoilt = copy.deepcopy(content)
        holder = spoilt
        *path, key = place
        for step in path:
            holder = holder[step]
        if value is REMOVED:
            del holder[key]
        else:
            holder[key] = value
        folder = tmp_path / "runs/mlp/version_0"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(trained, folder)
        torch.save(spoilt, folder / "checkpoints/last.ckpt")
        status, _, errors = digits(*VERBS[verb], folder / "checkpoints/last.ckpt", *more)
        assert status in (0, 1, 2), errors
        assert status != 2 or (errors.startswith("digits: error: ") and errors.count("\n") == 1), errors
        return errors if status == 2 else ""

    return run


@pytest.mark.parametrize("entry", ENTRIES)
def test_entries_that_are_missing_or_something_else(give, entry):
    for value in (REMOVED, None, "x", [1], {"a": 1}, 10**30):
        give("fit", [entry], value, "--trainer.max_epochs", "2")
    for verb in ("test", "recognize"):
        give(verb, [entry], "x")


LOOP = ["loops", "fit_loop"]
COUNTS = [*LOOP, "epoch_loop.batch_progress", "current"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ([*COUNTS, "ready"], "3"),
        ([*COUNTS, "ready"], -1),
        ([*COUNTS, "completed"], REMOVED),
        ([*LOOP, "epoch_progress"], REMOVED),
        ([*LOOP, "epoch_loop.state_dict", "_batches_that_stepped"], 10**30),
        ([*LOOP, "epoch_loop.state_dict", "_batches_that_stepped"], "x"),
        (["optimizer_states", 0, "param_groups", 0, "lr"], "x"),
        (["optimizer_states", 0, "param_groups", 0, "betas"], 3),
        (["optimizer_states", 0, "state", 0, "exp_avg"], torch.zeros(3)),
        (["optimizer_states", 0, "state", 0, "exp_avg"], "x"),
        (["lr_schedulers", 0, "last_epoch"], "x"),
        (["lr_schedulers", 0, "last_epoch"], 10**12),
        (["lr_schedulers", 0, "total_steps"], REMOVED),
        (["lr_schedulers", 0, "step"], 3),
        (["lr_schedulers", 0, "base_lrs"], "x"),
        (["DigitsDataModule", "seed"], "x"),
        (["DigitsDataModule", "fingerprint"], REMOVED),
        (["digits_place", "figures"], {"val/loss": "x"}),
        (["digits_place", "between_epochs"], "x"),
    ],
)
def test_values_that_training_would_stumble_over(give, place, value):
    give("fit", place, value, "--trainer.max_epochs", "2")


@pytest.mark.slow
def test_states_of_callbacks(give, trained):
    content = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    for name, state in content["callbacks"].items():
        for key in state:
            give("fit", ["callbacks", name, key], "x", "--trainer.max_epochs", "2")
    stopping = next(name for name in content["callbacks"] if name.startswith("EarlyStopping"))
    assert "wait_count" in give("fit", ["callbacks", stopping, "wait_count"], "x", "--trainer.max_epochs", "2")


def test_a_good_one_goes_on(give):
    assert give("fit", ["epoch"], 0, "--trainer.max_epochs", "2") == ""
    assert "epoch is missing" in give("fit", ["epoch"], REMOVED)


def test_nothing_but_what_was_changed_is_said_to_differ(digits, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "mlp/version_0")
    last = tmp_path / "mlp/version_0/checkpoints/last.ckpt"
    status, output, errors = digits("fit", "--trainer.max_epochs", "2", "--runs_dir", tmp_path, "--ckpt_path", last)
    assert status == 0, errors
    said = [line.partition(":")[0] for line in output.splitlines() if " in the checkpoint, now " in line]
    assert said == ["trainer.max_epochs"]
