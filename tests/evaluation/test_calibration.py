import json

import pytest
import torch

from digits.evaluation import fit_temperature
from digits.models import Predictions, load_model


def _predictions(logits, labels):
    return Predictions(torch.arange(len(labels)), logits, labels)


def test_the_temperature_that_was_there_is_found():
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, 10, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(dim=1), 1, generator=generator)[:, 0]
    assert fit_temperature(_predictions(honest * 3, labels)) == pytest.approx(3, rel=0.03)
    timid = _predictions(honest / 4, labels)
    assert fit_temperature(timid) == pytest.approx(1 / 4, rel=0.03)
    calibrated = timid.scaled(1 / 4)
    assert calibrated.figures()["ece"] < 0.02 < 0.2 < timid.figures()["ece"]
    assert torch.equal(calibrated.logits.argmax(1), timid.logits.argmax(1))


def test_a_fit_ends_with_it(fit, digits):
    run = fit("--trainer.max_epochs", "5", "--model.label_smoothing", "0.2")
    best, last = (load_model(run / "checkpoints" / f"{name}.ckpt") for name in ("best", "last"))
    assert best.temperature < 0.8
    assert last.temperature == 1  # what goes on training knows nothing of it
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["temperature"] == pytest.approx(best.temperature.item())
    assert figures["val/ece"] < figures["val/ece_before"]
    digits("fit", "--ckpt_path", "last", "--trainer.max_epochs", "5")  # nothing is left to train
    assert json.loads((run / "metrics.json").read_text())["val/ece"] == figures["val/ece"]
    status, output, errors = digits("validate", "--ckpt_path", "best", "--trainer.enable_progress_bar", "false")
    assert status == 0, errors
    said = dict(line.split() for line in output.splitlines()[:-1])
    assert float(said["val/ece"]) == pytest.approx(figures["val/ece"], abs=1e-4)
    assert float(said["val/loss"]) == pytest.approx(figures["val/loss"], abs=1e-4)
