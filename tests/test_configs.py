import pytest
import yaml

from tests.conftest import ROOT

RECIPES = sorted(path.name for path in (ROOT / "configs").glob("*.yaml"))
OVERLAYS = sorted(path.name for path in (ROOT / "configs" / "hardware").glob("*.yaml"))
ONE_STEP = ["--data.source", "uci", "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1"]
ONE_STEP += ["--report", "false"]
ON_CPU = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.strategy", "auto"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_runs_a_step(digits, name):
    status, output, errors = digits("fit", "--config", ROOT / "configs" / name, *ONE_STEP)
    assert status == 0, errors
    assert "test accuracy" in output


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_runs_a_step(digits, name):
    files = ["--config", ROOT / "configs" / "mlp.yaml", "--config", ROOT / "configs" / "hardware" / name]
    status, output, errors = digits("fit", *files, *ONE_STEP, *ON_CPU)
    assert status == 0, errors
    assert "runs/mlp/version_0" in output


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_what_to_expect(name):
    text = (ROOT / "configs" / name).read_text()
    header = text[: text.index("\ntrainer:")]
    assert f"python -m digits fit --config configs/{name}" in header
    assert "±" in header
    assert " s " in header
    assert yaml.safe_load(text)["data"]["offline_source"] == "uci"
