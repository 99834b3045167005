"""Numbers that are no numbers stop a training, and get into no checkpoint."""

import math

import pytest
import torch

QUICK = ["--model=MLP", "--data.source=uci", "--trainer.max_epochs=4", "--report=false"]
QUICK += ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]


@pytest.mark.parametrize("more", [[], ["--trainer.accumulate_grad_batches=2"]], ids=["", "accumulated"])
def test_a_rate_far_too_high_ends_at_once(more, digits, tmp_path):
    status, output, errors = digits("fit", *QUICK, *more, "--model.optimizer.lr=1e30")
    assert status == 2
    assert "the training has diverged: the loss is nan in epoch 0, after" in errors
    assert "lower learning rate" in errors
    assert "test accuracy" not in output
    assert "the loss is nan in epoch 0" in (tmp_path / "runs" / "mlp" / "version_0" / "stopped.txt").read_text()


def test_the_last_good_checkpoints_stay_and_a_resume_goes_on_from_them(fit, digits):
    run = fit()
    checkpoints = {path.name: path.read_bytes() for path in (run / "checkpoints").iterdir()}
    high = ["--trainer.max_epochs=3", "--checkpoint_every_n_steps=1", "--model.optimizer.lr"]
    # The loss of the first step is finite, the weights that it leaves are not.
    status, _, errors = digits("fit", "--ckpt_path", "last", *high, "1e30", "--model.optimizer.weight_decay=1e10")
    assert status == 2
    assert "a weight is nan in epoch 1, after 5 steps" in errors
    assert "Traceback" not in errors
    assert f"--ckpt_path {(run / 'checkpoints' / 'last.ckpt').resolve()}" in errors
    assert {path.name: path.read_bytes() for path in (run / "checkpoints").iterdir()} == checkpoints
    assert (run / "stopped.txt").exists()
    status, _, errors = digits("fit", "--ckpt_path", "last", *high, "0.001", "--model.optimizer.weight_decay=0")
    assert status == 0, errors
    assert not (run / "stopped.txt").exists()
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["epoch"] == 3
    assert all(math.isfinite(value.float().sum()) for value in saved["state_dict"].values())
