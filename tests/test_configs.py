import pytest
import yaml

from tests.conftest import ROOT

CONFIGS = ROOT / "configs"
RECIPES = sorted(
    str(path.relative_to(CONFIGS)) for folder in (CONFIGS, CONFIGS / "classics") for path in folder.glob("*.yaml")
)
OVERLAYS = sorted(path.name for path in (CONFIGS / "hardware").glob("*.yaml"))
ONE_STEP = ["--data.source", "uci", "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1"]
ONE_STEP += ["--report", "false"]
FEW_PAGES = [
    "--data.validation_pages",
    "2",
    "--data.test_pages",
    "2",
    "--data.pages_per_epoch",
    "8",
    "--data.side",
    "64",
]
ON_CPU = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.strategy", "auto"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_runs_a_step(digits, name):
    is_reader = name == "reader.yaml"
    status, output, errors = digits("fit", "--config", CONFIGS / name, *ONE_STEP, *(FEW_PAGES if is_reader else []))
    assert status == 0, errors
    assert ("test digit error rate" if is_reader else "test accuracy") in output


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_runs_a_step(digits, name):
    files = ["--config", CONFIGS / "mlp.yaml", "--config", CONFIGS / "hardware" / name]
    status, output, errors = digits("fit", *files, *ONE_STEP, *ON_CPU)
    assert status == 0, errors
    assert "runs/mlp/version_0" in output


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_what_to_expect(name):
    text = (CONFIGS / name).read_text()
    header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    assert f"python -m digits fit --config configs/{name}" in header
    data = yaml.safe_load(text)["data"]
    assert data.get("init_args", data)["offline_source"] == "uci"
    if name != "reader.yaml":  # which has not been trained to its end yet, and says so
        assert "±" in header
        assert " s " in header
