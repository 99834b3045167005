"""Models that are no DigitClassifier: what they can give is kept, what they cannot is left out with a line."""

import json
import shutil
import sys

import pytest

MODULE = """
import torch
from pytorch_lightning import LightningModule
from torch import nn
from torch.nn import functional as F


class Plain(LightningModule):
    def __init__(self, width: int = 16):
        super().__init__()
        self.save_hyperparameters()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.Dropout(0.2), nn.Linear(width, 10))

    def forward(self, images):
        return self.network(images)

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch.images), batch.labels)

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", F.cross_entropy(self(batch.images), batch.labels))

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
"""
QUIET = ("--report", "true", "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false")


@pytest.fixture
def plain(tmp_path, monkeypatch):
    (tmp_path / "ours.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "ours.Plain"
    sys.modules.pop("ours", None)


def test_a_plain_module_trains_resumes_and_tests(digits, plain, tmp_path):
    runs = tmp_path / "runs"
    basics = ["--model", plain, "--data.source", "uci", "--runs_dir", runs, *QUIET]
    status, output, errors = digits("fit", *basics, "--trainer.max_epochs", "3")
    assert status == 0, errors
    assert "test/val_loss" in output
    assert "no report" in output
    whole = json.loads((runs / "plain/version_0/metrics.json").read_text())
    assert whole["val/val_loss"] > 0

    assert digits("fit", *basics, "--trainer.max_epochs", "2")[0] == 0
    named = ["--runs_dir", runs, "--model", plain]
    status, _, errors = digits("fit", "--ckpt_path", "last", *named, "--trainer.max_epochs", "3", *QUIET)
    assert status == 0, errors
    resumed = json.loads((runs / "plain/version_1/metrics.json").read_text())
    assert resumed["test/val_loss"] == whole["test/val_loss"]  # dropout, too

    last = runs / "plain/version_1/checkpoints/last.ckpt"
    status, output, errors = digits("test", "--ckpt_path", last, "--trust", plain)
    assert status == 0, errors
    assert f"{whole['test/val_loss']:.4g} on uci" in output
    for verb in (["predict", "--ckpt_path", last], ["export", "--checkpoint", last, "--output", tmp_path / "a.onnx"]):
        status, _, errors = digits(*verb, "--trust", plain)
        assert status == 2
        assert "DigitClassifier" in errors
    shutil.rmtree(runs)
