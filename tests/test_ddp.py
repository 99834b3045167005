"""Two real processes on one CPU."""

import json
import subprocess
import sys

TWO = ["--trainer.accelerator", "cpu", "--trainer.strategy", "ddp", "--trainer.devices", "2"]


def _digits(*arguments):
    return subprocess.run([sys.executable, "-m", "digits", *arguments], capture_output=True, text=True, timeout=300)


def test_two_processes_train_and_count_every_image_once(tmp_path):
    data = ["--model", "CNN", "--data.source", "uci", "--trainer.max_epochs", "2"]
    result = _digits("fit", *data, *TWO)
    assert result.returncode == 0, result.stderr
    run = tmp_path / "runs/cnn/version_0"
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["test/count"] == 360
    assert figures["val/count"] == 287
    # One process finds the same figures in the checkpoint that two wrote.
    result = _digits("test", "--ckpt_path", str(run / "checkpoints/best.ckpt"), "--trainer.devices", "1")
    assert result.returncode == 0, result.stderr
    alone = json.loads((run / "test-uci.json").read_text())
    for name, value in alone.items():
        if name.startswith("test/"):
            assert value == figures[name], name


def test_batch_that_cannot_be_shared(tmp_path):
    result = _digits("fit", "--model", "MLP", "--data.source", "uci", "--data.batch_size", "33", *TWO)
    assert result.returncode != 0
    assert "data.batch_size 33 cannot be shared equally by 2 devices; try 32" in result.stderr
    assert "Traceback" not in result.stderr
