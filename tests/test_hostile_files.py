"""Files that mean harm, given to every verb that takes one: one line, exit status 2, and nothing has run."""

import copy
import json
import shutil
import sys
import time
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from digits.models import CNN, MLP, load_model, save_portable

HARM = {"class_path": "subprocess.Popen", "hyper_parameters": {"args": ["touch", "harm"]}}
MODULE = """\
from pathlib import Path
from torch import nn
from digits import DigitClassifier
Path("harm").touch()
class Wide(DigitClassifier):
    def __init__(self, width: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.Linear(width, 10))
"""
VERBS = {
    "fit": ["fit", "--ckpt_path"],
    "warm start": ["fit", "--model", "MLP", "--data.source", "uci", "--init_from"],
    "test": ["test", "--ckpt_path"],
    "validate": ["validate", "--ckpt_path"],
    "predict": ["predict", "--ckpt_path"],
    "recognize": ["recognize", "digit.png", "--checkpoint"],
    "serve": ["serve", "--port", "0", "--checkpoint"],
    "robustness": ["robustness", "--images", "10"],
    "export": ["export", "--output", "out.onnx", "--checkpoint"],
    "ensemble": ["ensemble", "--output", "both.ckpt"],
    "report": ["report"],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one moment's training, made once."""
    from digits.__main__ import main

    folder = tmp_path_factory.mktemp("hostile")
    quick = ["--model", "MLP", "--data.source", "uci", "--runs_dir", str(folder), "--trainer.max_epochs", "1"]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false", "--report", "false"]
    assert main(["fit", *quick, *quiet]) == 0
    return folder / "mlp" / "version_0"


@pytest.fixture
def content(trained):
    """What is in a good checkpoint, to be spoilt."""
    return copy.deepcopy(torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True))


@pytest.fixture
def refused(digits, tmp_path, trained):
    """Give a file to a verb, and return the one line that refuses it."""
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "digit.png")

    def run(verb, path, *more):
        target = path
        if verb == "report":
            target = tmp_path / "run"
            (target / "checkpoints").mkdir(parents=True, exist_ok=True)
            for name in ("metrics.json", "metrics.csv", "config.yaml"):
                (target / name).write_bytes((trained / name).read_bytes())
            (target / "checkpoints" / "best.ckpt").write_bytes(path.read_bytes())
        status, _, errors = digits(*VERBS[verb], target, *more)
        assert status == 2, errors
        assert errors.startswith("digits: error: "), errors
        assert errors.count("\n") == 1, errors
        assert not (tmp_path / "harm").exists(), "the file ran code"
        return errors

    return run


def _save(content, path):
    torch.save(content, path)
    return path


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "warm start"])
@pytest.mark.parametrize("where", ["model", "member"])
def test_a_checkpoint_that_names_what_is_no_model(refused, content, tmp_path, verb, where):
    config = content["digits_config"]
    if where == "model":
        config["model"] = {"class_path": HARM["class_path"], "init_args": HARM["hyper_parameters"]}
        content["hyper_parameters"] = HARM["hyper_parameters"]
    else:
        config["model"] = {"class_path": "digits.models.Ensemble", "init_args": {"members": [HARM]}}
        content["hyper_parameters"] = {"members": [HARM], "checkpoints": []}
    assert "subprocess.Popen" in refused(verb, _save(content, tmp_path / "evil.ckpt"))


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "warm start"])
def test_a_checkpoint_imports_no_module(refused, content, tmp_path, monkeypatch, verb):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "intruder.py").write_text(MODULE)
    content["digits_config"]["model"] = {"class_path": "intruder.Wide", "init_args": {"width": 4}}
    content["hyper_parameters"] = {"width": 4}
    assert "intruder.Wide" in refused(verb, _save(content, tmp_path / "evil.ckpt"))
    assert "intruder" not in sys.modules


@pytest.mark.parametrize("verb", ["recognize", "serve", "robustness"])
def test_weights_whose_json_names_what_is_no_model(refused, tmp_path, verb):
    save_file({"weight": torch.zeros(1)}, tmp_path / "evil.safetensors")
    (tmp_path / "evil.json").write_text(json.dumps(HARM))
    assert "subprocess.Popen" in refused(verb, tmp_path / "evil.safetensors")


def test_a_checkpoint_opens_no_other_file(refused, content, tmp_path):
    for family, arguments in (("OnnxModel", {"path": "x.onnx"}), ("Ensemble", {"checkpoints": ["other.ckpt"]})):
        content["digits_config"]["model"] = {"class_path": f"digits.models.{family}", "init_args": arguments}
        content["hyper_parameters"] = arguments
        assert "names other files" in refused("recognize", _save(content, tmp_path / "evil.ckpt"))


def test_a_class_of_the_users_own_is_read_once_it_is_trusted(digits, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own.py").write_text(MODULE.replace("harm", "imported"))
    quick = ["--model", "own.Wide", "--data.source", "uci", "--trainer.max_epochs", "1", "--report", "false"]
    status, _, errors = digits("fit", *quick, "--trainer.enable_progress_bar", "false")
    assert status == 0, errors
    path = tmp_path / "runs/wide/version_0/checkpoints/best.ckpt"
    assert type(load_model(path)).__name__ == "Wide", "what a program has imported, its files may name"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.update(digits_config=[1]), "its digits_config is no configuration"),
        (lambda c: c.update(digits_config={}), "its digits_config is no configuration"),
        (lambda c: c["digits_config"].update(model="MLP"), "its digits_config is no configuration"),
        (lambda c: c.pop("hyper_parameters"), "its hyper_parameters are no mapping"),
        (lambda c: c["hyper_parameters"].update(widht=3), "its hyper_parameters have 'widht', which MLP does not take"),
        (lambda c: c["hyper_parameters"].update(hidden="x"), "its hyper_parameters make no MLP"),
        (lambda c: c["hyper_parameters"].update(hidden=[10**9, 10**9]), "its weights do not fit this model"),
        (lambda c: c["hyper_parameters"].update(hidden=[32]), "its weights do not fit this model"),
        (lambda c: c["hyper_parameters"].update(test_time_shift=10**6), "test_time_shift is 1000000"),
        (lambda c: c["hyper_parameters"].update(optimizer="os.system"), "have 'optimizer', which MLP does not take"),
        (lambda c: c.pop("state_dict"), "its weights are no mapping"),
        (lambda c: c["state_dict"].update(temperature="warm"), "'temperature', which is no plain tensor"),
        (lambda c: c["state_dict"]["temperature"].fill_(torch.nan), "temperature holds NaN or infinity"),
        (lambda c: c["state_dict"].pop("temperature"), "temperature is missing"),
        (
            lambda c: c["state_dict"].update({"network.1.weight": torch.zeros(1).expand(10**6, 10**6)}),
            "'network.1.weight', which is no plain tensor",
        ),
    ],
)
def test_a_checkpoint_that_does_not_hold_together(refused, content, tmp_path, spoil, message):
    spoil(content)
    assert message in refused("recognize", _save(content, tmp_path / "spoilt.ckpt"))


def test_lists_that_contain_each_other_are_not_gone_through(refused, content, tmp_path):
    laughs = ["ha"]
    for _ in range(100):
        laughs = [laughs, laughs]
    content["hyper_parameters"]["hidden"] = content["digits_config"]["laughs"] = laughs
    assert "is no configuration" in refused("test", _save(content, tmp_path / "laughs.ckpt"))


def test_a_packed_checkpoint_is_not_unpacked(refused, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    assert "is damaged or not a checkpoint" in refused("test", tmp_path / "bomb.ckpt")


@pytest.mark.parametrize("suffix", ["ckpt", "safetensors", "onnx"])
@pytest.mark.parametrize("filling", [b"", b"\x00" * 100, b"{}", b"\xff\xfe\xfa"])
def test_files_of_something_else(refused, tmp_path, suffix, filling):
    path = tmp_path / f"thing.{suffix}"
    path.write_bytes(filling)
    path.with_suffix(".json").write_bytes(filling)
    refused("recognize", path)


@pytest.mark.parametrize(
    "beside",
    ["{", "[]", '{"class_path": 3}', '{"class_path": "digits.models.MLP"}', "[" * 100_000, '{"class_path": null}'],
)
def test_json_beside_weights_that_is_wrong(refused, tmp_path, beside):
    save_portable(MLP(hidden=[8]), tmp_path / "mlp.safetensors", {})
    (tmp_path / "mlp.json").write_text(beside)
    refused("recognize", tmp_path / "mlp.safetensors")


def test_weights_of_another_network(refused, tmp_path):
    save_portable(MLP(hidden=[8]), tmp_path / "mlp.safetensors", {})
    save_portable(CNN(), tmp_path / "cnn.safetensors", {})
    (tmp_path / "mlp.json").write_bytes((tmp_path / "cnn.json").read_bytes())
    assert "its weights do not fit this model" in refused("robustness", tmp_path / "mlp.safetensors")


def test_every_family_of_ours_is_known_by_each_of_its_names():
    from digits.models import find_family

    assert {find_family(path) for path in ("digits.MLP", "digits.models.MLP", "digits.models.mlp.MLP")} == {MLP}


def _callback(class_path, **arguments):
    return {"callbacks": [{"class_path": class_path, "init_args": arguments}]}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("trainer", _callback("intruder.Wide")),
        ("trainer", _callback("pytorch_lightning.callbacks.LambdaCallback", on_fit_start="os.getcwd")),
        ("trainer", _callback("pytorch_lightning.callbacks.ModelCheckpoint", dirpath="harm")),
        ("trainer", _callback("pytorch_lightning.callbacks.OnExceptionCheckpoint", dirpath="harm")),
        ("trainer", _callback("digits.training.LastCheckpoint", folder="harm")),
        ("trainer", _callback("pytorch_lightning.callbacks.EarlyStopping", monitor="os.getcwd")),
        ("trainer", {"callbacks": ["intruder.Wide"]}),
        ("trainer", {"callbacks": "settings-of-others"}),
        (
            "trainer",
            {"logger": {"class_path": "pytorch_lightning.loggers.CSVLogger", "init_args": {"save_dir": "harm"}}},
        ),
        ("trainer", {"plugins": [{"class_path": "intruder.Wide"}]}),
        ("trainer", {"strategy": "intruder.Wide"}),
        ("trainer", {"strategy": {"class_path": "intruder.Wide"}}),
        (
            "trainer",
            {
                "profiler": {
                    "class_path": "pytorch_lightning.profilers.SimpleProfiler",
                    "init_args": {"dirpath": "harm"},
                }
            },
        ),
        ("trainer", {"default_root_dir": "harm"}),
        ("model", {"optimizer": {"class_path": "intruder.Wide"}}),
        ("model", {"optimizer": "settings-of-others"}),
        ("model", {"lr_scheduler": "intruder.schedule"}),
        ("model", {"lr_scheduler": {"class_path": "os.system"}}),
        (
            "model",
            {
                "lr_scheduler": {
                    "class_path": "torch.optim.lr_scheduler.LambdaLR",
                    "init_args": {"lr_lambda": "os.system"},
                }
            },
        ),
        ("data", {"augmentation": {"class_path": "intruder.Wide"}}),
        ("data", {"augmentation": "intruder.schedule"}),
        ("data", {"source": "intruder.Wide"}),
        ("data", {"class_path": "intruder.Wide", "init_args": {}}),
        ("experiment", "../../harm"),
        ("experiment", "/tmp/harm"),
    ],
)
def test_settings_in_a_checkpoint_that_reach_further(refused, content, tmp_path, monkeypatch, place, value):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "intruder.py").write_text(MODULE)
    (tmp_path / "settings-of-others").write_text("class_path: intruder.Wide\n")
    config = content["digits_config"]
    if place == "experiment":
        config[place] = value
    elif place == "model":
        config["model"]["init_args"] |= value
    else:
        config[place] |= value
    errors = refused("fit", _save(content, tmp_path / "evil.ckpt"))
    assert "--trust" in errors or "a file may not choose" in errors, errors
    assert "intruder" not in sys.modules


def test_a_file_named_by_a_checkpoint_is_not_removed(digits, trained, content, tmp_path):
    """Where a new best is saved the former goes, by the path in the checkpoint."""
    victim = tmp_path / "thesis"
    victim.mkdir()
    run = tmp_path / "mlp" / "version_0"
    shutil.copytree(trained, run)
    for name, state in content["callbacks"].items():
        if "val/accuracy" in name:
            path = f"local://{victim}"
            low = torch.tensor(0.0)
            state |= {
                "kth_best_model_path": path,
                "best_model_path": path,
                "best_k_models": {path: low},
                "kth_value": low,
            }
    _save(content, run / "checkpoints" / "last.ckpt")
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false", "--report", "false"]
    digits("fit", "--ckpt_path", run / "checkpoints" / "last.ckpt", "--trainer.max_epochs", "2", *quiet)
    assert victim.is_dir()


ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.mark.parametrize(
    ("filling", "message"),
    [
        (ALIASES.encode(), "stands for more than 100,000 values"),
        (b"a: &a [*a]", "stands for nothing"),
        (b"\x00\x01\x02", "is not valid YAML"),
        (b"\xff\xfe\xfd", ""),
        (b"- 1\n- 2\n", "does not map settings to values"),
        (b"[" * 100_000, "is not valid YAML"),
        (b"a: !!timestamp x", "is not valid YAML"),
        (b"a: !!python/object/apply:os.system ['touch harm']", "is not valid YAML"),
        (b"a: " + b"9" * 10_000, "is not valid YAML"),
    ],
)
def test_yaml_that_is_none(digits, tmp_path, filling, message):
    (tmp_path / "mine.yaml").write_bytes(filling)
    start = time.perf_counter()
    for arguments in (["fit", "--config"], ["sweep", "--config", "mlp", "--trials", "1", "--space"]):
        status, _, errors = digits(*arguments, "mine.yaml")
        assert status == 2
        assert errors.count("\n") == 1
        assert message in errors or arguments[0] == "sweep"
    assert time.perf_counter() - start < 10
    assert not (tmp_path / "harm").exists()


def test_a_folder_and_a_checkpoint_are_no_configurations(digits, trained, tmp_path):
    for path in (tmp_path, trained / "checkpoints" / "last.ckpt"):
        status, _, errors = digits("fit", "--config", path)
        assert (status, errors.count("\n")) == (2, 1)


@pytest.mark.parametrize("verb", ["test", "validate", "predict", "robustness", "report"])
def test_finite_weights_that_are_too_large_to_count_with(refused, content, tmp_path, verb):
    for name, weight in content["state_dict"].items():
        if weight.is_floating_point() and weight.ndim == 2:
            content["state_dict"][name] = torch.full_like(weight, 3e38)
    assert "answers with NaN" in refused(verb, _save(content, tmp_path / "spoilt.ckpt"))
