"""Every setting means the same in a YAML, as a flag, and in several of these in their order."""

import json
import shutil

import pytest
import yaml

from digits.cli.resolve import resolve
from digits.errors import UserError
from tests.conftest import ROOT

QUICK = {
    "model": {"class_path": "MLP"},
    "data": {"source": "uci"},
    "trainer": {"max_epochs": 1, "enable_progress_bar": False, "enable_model_summary": False},
    "report": False,
}


@pytest.fixture
def write(tmp_path):
    """Write a configuration; returns its file."""

    def write(name, **settings):
        (tmp_path / name).write_text(yaml.safe_dump(settings))
        return str(tmp_path / name)

    return write


def _count(run):
    return json.loads((run / "metrics.json").read_text())["epochs"]


def test_a_checkpoint_named_in_a_yaml_is_resumed(digits, write, tmp_path):
    settings = QUICK | {"experiment": "mine", "runs_dir": "elsewhere"}
    assert digits("fit", "--config", write("first.yaml", **settings))[0] == 0
    more = {"trainer": {"max_epochs": 3}}
    status, output, errors = digits(
        "fit", "--config", write("again.yaml", **settings, ckpt_path="last"), "--config", write("more.yaml", **more)
    )
    assert status == 0, errors
    run = tmp_path / "elsewhere/mine/version_0"
    assert "trainer.max_epochs: 1 in the checkpoint, now 3" in output
    assert [path.name for path in run.parent.iterdir()] == ["version_0"]
    assert _count(run) == 3


def test_last_is_looked_for_where_a_yaml_puts_the_runs(digits, write, fit):
    run = fit("--experiment", "mine", runs_dir="elsewhere")
    place = write("place.yaml", runs_dir="elsewhere", experiment="mine")
    status, output, errors = digits("test", "--config", place, "--ckpt_path", "best")
    assert status == 0, errors
    assert output.strip().endswith(str(run / "checkpoints/best.ckpt"))


def test_weights_named_in_a_yaml_are_taken(digits, write, fit):
    weights = fit() / "checkpoints" / "best.ckpt"
    warm = write("warm.yaml", **QUICK, init_from=str(weights))
    status, _, errors = digits("fit", "--config", warm, "--model.hidden", "[7]")
    assert status == 2
    assert f"{weights} cannot be used: its weights do not fit this model" in errors


def test_what_comes_later_wins(write):
    first = write("first.yaml", experiment="first", runs_dir="a", report=False, checkpoint_every_n_steps=3)
    second = write("second.yaml", experiment="second", runs_dir="b")
    model = ["--model", "MLP"]
    found = resolve([*model, "--config", first, "--config", second, "--runs_dir", "c"])
    assert (found["experiment"], found["runs_dir"], found["report"]) == ("second", "c", False)
    assert found["checkpoint_every_n_steps"] == 3
    assert resolve([*model, "--runs_dir", "c", "--config", first])["runs_dir"] == "a"


def test_a_run_of_any_name_goes_on(fit, digits):
    name = "a/b [c], d"
    run = fit("--experiment", name)
    assert run.parts[-3:] == ("a", "b [c], d", "version_0")
    status, _, errors = digits("fit", "--ckpt_path", "last", "--experiment", name, "--trainer.max_epochs", "2")
    assert status == 0, errors
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 2


def test_an_experiment_is_named_after_the_first_configuration(write):
    assert resolve(["--config", write("mine.yaml", **QUICK), "--config", "hardware/ddp"])["experiment"] == "mine"
    assert resolve(["--config", "classics/mlp-128"])["experiment"] == "mlp-128"
    assert resolve(["--model", "MLP"])["experiment"] == "mlp"


def test_paths_are_expanded(monkeypatch, tmp_path, fit, digits):
    run = fit("--experiment", "mine")
    shutil.move(run / "checkpoints/best.ckpt", tmp_path / "lone.ckpt")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLACE", str(tmp_path))
    for path in ("~/lone.ckpt", "$PLACE/lone.ckpt", "${PLACE}/lone.ckpt"):
        assert digits("test", "--ckpt_path", path)[0] == 0
    assert resolve(["--model", "MLP", "--runs_dir", "$PLACE/runs"])["runs_dir"] == str(tmp_path / "runs")
    (tmp_path / "mine.yaml").write_text("model: MLP")
    assert resolve(["--config", "~/mine.yaml"])["experiment"] == "mine"


def test_recipes_come_by_name():
    for name in ("mlp", "mlp.yaml", "configs/mlp.yaml"):
        assert resolve(["--config", name]) == resolve(["--config", str(ROOT / "configs/mlp.yaml")])
    assert resolve(["--config", "mlp", "--config", "hardware/gpu"])["trainer"]["accelerator"] == "gpu"


def _optimizer(*arguments):
    found = resolve(list(arguments))["model"]["init_args"]["optimizer"]
    return found["class_path"].rpartition(".")[2], found["init_args"]


def test_another_class_gets_what_was_chosen():
    name, settings = _optimizer("--config", "classics/mlp-early-stopping", "--model.optimizer", "RMSprop")
    assert (name, settings["lr"]) == ("RMSprop", 1.0e-3)  # chosen by the recipe; RMSprop's default is 0.01
    chosen = ["--model", "MLP", "--model.optimizer", "AdamW", "--model.optimizer.lr", "0.5"]
    name, settings = _optimizer(*chosen, "--model.optimizer", "Adam")
    assert (name, settings["lr"]) == ("Adam", 0.5)


def test_another_class_does_not_get_what_nobody_chose():
    for arguments in (
        ["--model", "MLP", "--model.optimizer", "Adam"],
        ["--config", "mlp", "--model.optimizer", "Adam"],
        ["--model", "MLP", "--model.optimizer=torch.optim.Adam", "--model.optimizer.lr=0.5"],
        ["--config", "model: {class_path: MLP, init_args: {optimizer: Adam}}\n"],
    ):
        name, settings = _optimizer(*arguments)
        assert (name, settings["weight_decay"]) == ("Adam", 0)  # AdamW's is 0.01
    assert _optimizer("--model", "MLP")[1]["weight_decay"] == 0.01  # one class's defaults are not spoilt by the others


def test_options_of_a_class_come_after_it():
    with pytest.raises(UserError, match="name the class, in a configuration or a flag, before its option 'hidden'"):
        resolve(["--model.hidden", "[3]"])


@pytest.mark.parametrize("arguments", [["--help", "--config", "cnn"], ["--model", "CNN", "-h"]])
def test_help_shows_what_the_named_model_takes(digits, capfd, arguments):
    with pytest.raises(SystemExit) as stopped:
        digits("fit", *arguments)
    assert stopped.value.code == 0
    text = capfd.readouterr().out
    assert text.startswith("usage: digits fit ")
    for option in ("--model.stages", "--data.batch_size", "--trainer.max_epochs", "--ckpt_path"):
        assert f"  {option}" in text
    assert "<class" not in text
    assert "__main__" not in text
