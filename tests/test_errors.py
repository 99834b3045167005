"""What a user sees after a mistake: one line that names it and its remedy, status 2, no traceback."""

import pytest
import torch
import yaml

from tests.conftest import ROOT

CNN = ROOT / "configs" / "cnn.yaml"


def _with(path, **changes):
    """A copy of the CNN's recipe with the values at dotted keys (__ for a dot) replaced, or keys renamed."""
    text = CNN.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max_epochs", "max_epoch", "unknown option 'trainer.max_epoch'; did you mean 'trainer.max_epochs'?"),
        ("label_smoothing", "label_smothing", "model: unknown key 'label_smothing'; did you mean 'label_smoothing'?"),
        ("models.CNN", "models.CNM", "model: digits.models has no 'CNM'; did you mean 'CNN'?"),
        ("optim.AdamW", "optim.AdamWW", "model: optimizer: torch.optim has no 'AdamWW'; did you mean 'AdamW'?"),
        (" pct_start:", " pct_strt:", "model: lr_scheduler: unknown key 'pct_strt'; did you mean 'pct_start'?"),
        ("batch_size", "batchsize", "data: unknown key 'batchsize'; did you mean 'batch_size'?"),
        ("source: mnist", "source: mnits", "unknown data source 'mnits'; did you mean 'mnist'?"),
        ("degrees: 10", "degrees: ten", "data: augmentation: degrees: expected float, not 'ten'"),
        (
            "LearningRateMonitor",
            "LearningRateMonitr",
            "trainer.callbacks: unknown class 'LearningRateMonitr'; did you mean 'LearningRateMonitor'?",
        ),
        ("batch_size: 256", "batch_size: -1", "data.batch_size is -1; it must be at least 1"),
    ],
)
def test_mistakes_in_yaml(digits, tmp_path, old, new, message):
    config = _with(tmp_path / "mine.yaml", **{old: new})
    assert digits("fit", "--config", config) == (2, "", f"digits: error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--confg", "x.yaml"], "unknown option 'confg'; did you mean 'config'?"),
        (["--trainer.max_epohcs", "3"], "unknown option 'trainer.max_epohcs'; did you mean 'trainer.max_epochs'?"),
        (["--model.hiden", "[3]"], "model: unknown key 'hiden'; did you mean 'hidden'?"),
        (["--model", "CNNN"], "model: unknown class 'CNNN'; did you mean 'CNN'?"),
        (["--ckpt_path", "gone.ckpt"], "the checkpoint gone.ckpt does not exist; give a file, or one of best, last"),
        (["--ckpt", "last"], "unknown option 'ckpt'; did you mean 'ckpt_path'?"),
        (["--ckpt_pat", "last"], "unknown option 'ckpt_pat'; did you mean 'ckpt_path'?"),
        (["--checkpoint", "last"], "unknown option 'checkpoint'; did you mean 'ckpt_path'?"),
        (["--model.hidde", "[3]"], "model: unknown key 'hidde'; did you mean 'hidden'?"),
        (["--epochs", "3"], "unknown option 'epochs'; did you mean 'trainer.max_epochs'?"),
        (["trainer.max_epochs=3"], "trainer.max_epochs is no option without dashes; write --trainer.max_epochs=…"),
        (
            ["--runs_dir", "$NOWHERE/runs"],
            "the path $NOWHERE/runs names the environment variable NOWHERE, which is not set",
        ),
        (
            ["--trainer.barebones", "true"],
            "trainer.barebones leaves out the checkpoints and figures that a run's folder is made of; leave it out",
        ),
        (
            ["--trainer.default_root_dir", "x"],
            "trainer.default_root_dir would have no effect; the folders of runs are made in --runs_dir",
        ),
        (["--model.dropout", "2", "--model.hidden", "[9]"], "model.dropout is 2.0; it must be at least 0 and below 1"),
        (["--model.kernel_size", "4"], "model.kernel_size is 4; it must be an odd number of pixels"),
        (
            ["--model.stages", "[[4],[4],[4],[4],[4]]"],
            "model.stages has 5 stages; after 4 of them nothing of the image is left to pool",
        ),
        (["--data.subset", "0"], "data.subset is 0; it must be at least 1"),
        (["--data.num_folds", "1"], "data.num_folds is 1; it must be at least 2"),
    ],
)
def test_mistakes_in_flags(digits, arguments, message):
    assert digits("fit", "--config", CNN, *arguments) == (2, "", f"digits: error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--trainer.devices", "0"], "`Trainer(devices='0')` value is not a valid input"),
        (["--trainer.accelerator", "abacus"], "invalid accelerator name: `accelerator='abacus'`"),
        (["--trainer.precision", "17"], "trainer.precision: 17 is not one of 64, 32, 16"),
    ],
)
def test_devices_that_do_not_exist(digits, arguments, part):
    status, _, errors = digits("fit", "--config", CNN, *arguments)
    assert status == 2
    assert part in errors
    assert errors.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there(digits):
    status, _, errors = digits("fit", "--config", CNN, "--trainer.accelerator", "gpu")
    assert status == 2
    assert errors.startswith("digits: error: No supported gpu backend found!")


def test_missing_config(digits):
    shipped = "champion, classics/cnn-32-64, classics/mlp-128, classics/mlp-early-stopping, classics/mlp-kaggle, cnn, "
    shipped += "hardware/cluster, hardware/ddp, hardware/gpu, mlp, mlp-deep, reader, speedrun"
    message = "digits: error: the configuration {} does not exist; {}\n"
    assert digits("fit", "--config", "xyz.yaml") == (2, "", message.format("xyz.yaml", f"shipped: {shipped}"))
    hint = f"did you mean 'cnn'? Shipped: {shipped}"
    assert digits("fit", "--config", "cnnn") == (2, "", message.format("cnnn", hint))


@pytest.mark.parametrize(("text", "problem"), [("", "is empty"), ("- model", "does not map settings to values")])
def test_yaml_without_settings(digits, tmp_path, text, problem):
    (tmp_path / "mine.yaml").write_text(text)
    assert digits("fit", "--config", "mine.yaml") == (2, "", f"digits: error: the configuration mine.yaml {problem}\n")


def test_a_checkpoint_as_configuration(digits, fit):
    checkpoint = fit() / "checkpoints" / "best.ckpt"
    message = f"{checkpoint} is a checkpoint, not a configuration; give it as --ckpt_path"
    assert digits("fit", "--config", checkpoint) == (2, "", f"digits: error: {message}\n")


def test_broken_yaml(digits, tmp_path):
    (tmp_path / "broken.yaml").write_text("model: [\n")
    status, _, errors = digits("fit", "--config", "broken.yaml")
    assert status == 2
    assert errors.startswith("digits: error: broken.yaml is not valid YAML: ")
    assert errors.count("\n") == 1


def test_no_model(digits):
    message = "digits: error: no model is chosen; give --config cnn, or --model CNN\n"
    assert digits("fit") == (2, "", message)


@pytest.mark.parametrize("arguments", [[], ["--config", CNN]])
def test_test_without_weights(digits, arguments):
    message = "digits: error: test needs trained weights: give --ckpt_path a file, or best or last\n"
    assert digits("test", *arguments) == (2, "", message)


def test_no_run_yet(digits):
    message = "digits: error: no run in runs/cnn has a last.ckpt yet; train one with `fit` first\n"
    assert digits("fit", "--config", CNN, "--ckpt_path", "last") == (2, "", message)


def test_unknown_experiment(digits, fit):
    fit("--experiment", "alpha")
    message = "digits: error: the experiment 'alhpa' has no runs in runs; did you mean 'alpha'?\n"
    assert digits("test", "--experiment", "alhpa", "--ckpt_path", "best") == (2, "", message)


def test_checkpoints_that_are_not_ours(digits, tmp_path):
    (tmp_path / "text.ckpt").write_text("hello")
    torch.save({"weights": 1}, tmp_path / "other.ckpt")
    damaged = "text.ckpt is damaged or not a checkpoint; give one that `python -m digits fit` wrote"
    foreign = "other.ckpt is not a checkpoint of digits; give one that `python -m digits fit` wrote"
    assert digits("test", "--ckpt_path", "text.ckpt") == (2, "", f"digits: error: {damaged}\n")
    assert digits("test", "--ckpt_path", "other.ckpt") == (2, "", f"digits: error: {foreign}\n")


def test_weights_of_another_model(digits, fit):
    run = fit()
    status, _, errors = digits(
        "fit", "--model", "CNN", "--data.source", "uci", "--init_from", run / "checkpoints" / "best.ckpt"
    )
    assert status == 2
    assert "do not fit this model" in errors
    assert not (run.parent.parent / "cnn").exists() or not list((run.parent.parent / "cnn").iterdir())


@pytest.mark.parametrize("option", ["max_epochs", "max_steps", "limit_train_batches"])
def test_a_fit_without_a_step(digits, tmp_path, option):
    quick = ["--model", "MLP", "--data.source", "uci", "--trainer.enable_model_summary", "false"]
    status, _, errors = digits("fit", *quick, f"--trainer.{option}", "0")
    assert status == 2
    message = "no step was trained; trainer.max_epochs, max_steps and limit_train_batches must leave one"
    assert errors.splitlines()[-1] == f"digits: error: {message}"
    assert not any(tmp_path.glob("runs/*/*"))


def test_missing_mnist_leaves_no_empty_run_behind(digits, tmp_path, no_mirrors):
    arguments = ["--data.data_dir", "nowhere", "--data.offline_source", "null"]
    status, _, errors = digits("fit", "--config", CNN, *arguments)
    assert status == 2
    assert "train-images-idx3-ubyte.gz (missing; MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873)" in errors
    assert "Put these files there, or set --data.data_dir." in errors
    assert "Downloading failed (http://127.0.0.1:9/" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("runs/cnn/*"))


def test_offline_source_stands_in_and_says_so(digits, tmp_path, no_mirrors):
    arguments = ["--data.data_dir", "nowhere", "--trainer.max_epochs", "1"]
    with (
        pytest.warns(UserWarning, match="Using 'uci' instead of 'mnist'"),
        pytest.warns(UserWarning, match="these figures are for 'uci', not 'mnist'"),
    ):
        status, output, errors = digits("fit", "--config", ROOT / "configs/mlp.yaml", *arguments)
    assert status == 0, errors
    assert "images of uci" in output
    metrics = yaml.safe_load((tmp_path / "runs/mlp/version_0/metrics.json").read_text())
    assert metrics["data"]["source"] == "uci"
    assert metrics["data"]["offline"] is True
