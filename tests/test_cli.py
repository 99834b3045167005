import csv
import json

import pytest
import torch
import yaml

from tests.conftest import ROOT


def _figures(run):
    return json.loads((run / "metrics.json").read_text())


def test_fit_fills_the_folder_of_a_run(fit):
    run = fit("--trainer.max_epochs", "2")
    names = {path.name for path in run.rglob("*") if path.is_file()}
    assert {"config.yaml", "metrics.csv", "metrics.json", "best.ckpt", "last.ckpt"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    figures = _figures(run)
    assert figures["test/count"] == 360
    assert {"test/accuracy", "test/loss", "test/ece", "val/accuracy", "seed", "commit", "versions"} <= figures.keys()
    assert figures["data"]["source"] == "uci"
    assert figures["data"]["fingerprint"]["load_digits"]
    assert figures["config"]["trainer"]["max_epochs"] == 2
    assert figures["config"] | {"ckpt_path": None} == yaml.safe_load((run / "config.yaml").read_text())
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert all(float(row["val/accuracy"]) <= 1 and float(row["train/loss"]) > 0 for row in rows)


def test_fit_prints_the_test_accuracy_and_the_folder(digits):
    status, output, _ = digits(
        "fit", "--config", ROOT / "configs/mlp.yaml", "--data.source", "uci", "--trainer.max_epochs", "1"
    )
    last = output.strip().splitlines()[-2]  # before that of the report
    assert status == 0
    assert last.startswith("test accuracy ")
    assert "360 images of uci" in last
    assert last.endswith("runs/mlp/version_0")


def test_runs_never_share_a_folder(fit):
    assert [fit().name for _ in range(2)] == ["version_0", "version_1"]


def test_a_checkpoint_alone_reproduces_the_accuracy(fit, digits):
    run = fit()
    before = (run / "config.yaml").read_text()
    status, output, errors = digits("test", "--ckpt_path", run / "checkpoints" / "best.ckpt")
    assert status == 0, errors
    expected, found = _figures(run), json.loads((run / "test-uci.json").read_text())
    assert {name: found[name] for name in found if name.startswith("test/")} == {
        name: expected[name] for name in expected if name.startswith("test/")
    }
    assert str(expected["test/accuracy"]) in output
    assert (run / "config.yaml").read_text() == before


def test_a_checkpoint_outside_its_run_is_enough(fit, digits, tmp_path):
    run = fit()
    lone = (run / "checkpoints" / "best.ckpt").rename(tmp_path / "lone.ckpt")
    status, output, errors = digits("test", "--ckpt_path", lone)
    assert status == 0, errors
    assert str(_figures(run)["test/accuracy"]) in output


def test_resume_continues_in_the_same_folder_and_flags_win(fit, digits):
    run = fit("--experiment", "again")
    status, output, errors = digits("fit", "--experiment", "again", "--ckpt_path", "last", "--trainer.max_epochs", "3")
    assert status == 0, errors
    assert "trainer.max_epochs: 1 in the checkpoint, now 3" in output
    assert output.strip().endswith(str(run))
    assert len(list(run.parent.iterdir())) == 1
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["max_epochs"] == 3
    assert yaml.safe_load((run / "config-1.yaml").read_text())["trainer"]["max_epochs"] == 1


def test_resume_remembers_the_best_of_a_run_whose_folder_was_moved(fit, digits):
    run = fit("--trainer.max_epochs", "3", "--model.optimizer.lr", "0.003")
    moved = run.rename(run.with_name("version_7"))
    best = (moved / "checkpoints" / "best.ckpt").read_bytes()
    status, _, errors = digits("fit", "--ckpt_path", "last", "--trainer.max_epochs", "4", "--model.optimizer.lr", "0.9")
    assert status == 0, errors
    assert (moved / "checkpoints" / "best.ckpt").read_bytes() == best
    assert not run.exists()


def test_resume_keeps_the_seed_of_the_run(fit, digits):
    run = fit("--seed_everything", "5")
    status, output, _ = digits("fit", "--ckpt_path", "last", "--trainer.max_epochs", "2", "--seed_everything", "6")
    assert status == 0
    assert "seed_everything stays 5" in output
    assert _figures(run)["seed"] == 5
    assert yaml.safe_load((run / "config.yaml").read_text())["seed_everything"] == 5


def test_resume_refuses_to_train_on_validation_images(fit, digits):
    fit()
    status, _, errors = digits("fit", "--ckpt_path", "last", "--trainer.max_epochs", "2", "--data.split_seed", "1")
    assert status == 2
    assert "images that it trained on would validate it" in errors


def test_weights_alone_can_be_evaluated(fit, digits):
    run = fit()
    weights = run / "checkpoints/best.ckpt"
    status, output, errors = digits("test", "--model", "MLP", "--data.source", "uci", "--init_from", weights)
    assert status == 0, errors
    assert str(_figures(run)["test/accuracy"]) in output


def test_warm_start_takes_the_weights_alone(fit):
    first = fit("--trainer.max_epochs", "3")
    second = fit("--init_from", str(first / "checkpoints/best.ckpt"), "--model.optimizer.lr", "0.0")
    assert second != first
    before, after = (
        torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"] for run in (first, second)
    )
    learned = [name for name in before if name.startswith("network") and "running" not in name and "num_" not in name]
    assert learned
    assert all(torch.equal(before[name], after[name]) for name in learned)
    assert _figures(second)["epochs"] == 1


@pytest.mark.parametrize(("interval", "length"), [("step", 3 * 4), ("epoch", 3)])
def test_scheduler_is_told_how_often_it_acts(fit, interval, length):
    interval = ["--model.lr_scheduler_config.interval", interval, "--trainer.max_epochs", "3"]
    schedule = "torch.optim.lr_scheduler.OneCycleLR"
    run = fit("--model.lr_scheduler", schedule, "--model.lr_scheduler.max_lr", "0.1", *interval)
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["lr_schedulers"][0]
    assert state["total_steps"] == length


@pytest.mark.parametrize("maker", ["pytorch_lightning.cli", "torch.optim.lr_scheduler"])
def test_plateau_watches_the_figure_it_is_given(fit, maker):
    scheduler = [f"--model.lr_scheduler={maker}.ReduceLROnPlateau", "--model.lr_scheduler.mode=max"]
    key = "lr_scheduler" if maker.startswith("pytorch") else "lr_scheduler_config"
    run = fit(*scheduler, f"--model.{key}.monitor=val/accuracy")
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["lr_schedulers"][0]
    assert state["best"] == pytest.approx(_figures(run)["val/accuracy"])


def test_early_stopping_and_averaging_are_lightnings_own(fit):
    callbacks = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/accuracy"]
    callbacks += ["--trainer.callbacks.mode=max", "--trainer.callbacks.patience=1"]
    run = fit("--trainer.max_epochs", "50", *callbacks, "--model.optimizer.lr", "0.0")
    assert _figures(run)["epochs"] < 50


def test_averaged_weights_are_the_ones_tested(fit, digits):
    """Lightning's callback, left in place, would test the weights of the last step."""
    averaging = ["--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.decay=0.9"]
    run = fit("--trainer.max_epochs", "3", *averaging, "--model.optimizer.lr", "0.01")
    status, output, _ = digits("test", "--ckpt_path", run / "checkpoints/best.ckpt")
    assert status == 0
    assert str(_figures(run)["test/loss"]) in output


def test_predict_writes_probabilities(fit, digits):
    run = fit()
    status, _, errors = digits("predict", "--ckpt_path", "best")
    assert status == 0, errors
    rows = list(csv.DictReader((run / "predictions.csv").open()))
    assert len(rows) == 360
    assert list(rows[0]) == ["index", "label", "confidence", *(f"p{digit}" for digit in range(10))]
    probabilities = [float(rows[0][f"p{digit}"]) for digit in range(10)]
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert float(rows[0]["confidence"]) == max(probabilities) == probabilities[int(rows[0]["label"])]


def test_kaggles_files_become_a_submission(fit, digits, tmp_path):
    folder = tmp_path / "kaggle"
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    header = ",".join(f"pixel{number}" for number in range(784))
    images = torch.randint(0, 256, (120, 784), generator=generator).tolist()
    train = [f"{number % 10}," + ",".join(map(str, image)) for number, image in enumerate(images[:100])]
    (folder / "train.csv").write_text("\n".join([f"label,{header}", *train]) + "\n")
    (folder / "test.csv").write_text("\n".join([header, *(",".join(map(str, image)) for image in images[100:])]) + "\n")
    source = ["--data.source", "csv", "--data.data_dir", str(folder)]
    run = fit(*source)
    assert "test/accuracy" not in _figures(run)
    status, _, errors = digits("predict", "--ckpt_path", "best")
    assert status == 0, errors
    lines = (run / "submission.csv").read_text().splitlines()
    assert lines[0] == "ImageId,Label"
    assert [line.split(",")[0] for line in lines[1:]] == [str(number) for number in range(1, 21)]
    status, _, errors = digits("test", "--ckpt_path", "best")
    assert (status, errors) == (2, "digits: error: the test images of 'csv' have no labels; use `predict`\n")


def test_tensorboard_holds_curves_pictures_and_final_figures(fit):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = fit("--trainer.max_epochs", "2", "--trainer.log_every_n_steps", "2")
    events = EventAccumulator(str(run), size_guidance={"images": 0}).Reload()
    assert [point.step for point in events.Scalars("val/accuracy")] == [3, 7]
    assert [point.step for point in events.Scalars("train/loss_step")] == [1, 3, 5, 7]
    assert len(events.Images("val/confusion_matrix")) == len(events.Images("val/mistakes")) == 2
    assert events.Scalars("final/test_accuracy")[0].value == pytest.approx(_figures(run)["test/accuracy"])


def test_overfitting_a_batch_learns_it(fit):
    run = fit("--trainer.overfit_batches", "1", "--trainer.max_epochs", "30", "--model.optimizer.lr", "0.01")
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert float(rows[-1]["train/accuracy"]) == 1


def test_a_run_without_validation_tests_its_last_checkpoint(fit):
    figures = _figures(fit("--trainer.limit_val_batches", "0"))
    assert figures["test/count"] == 360
    assert "val/accuracy" not in figures


def test_real_mnist(fit, mnist_dir):
    run = fit("--data.source", "mnist", "--data.subset", "5000", "--trainer.max_epochs", "2", model="CNN")
    figures = _figures(run)
    assert figures["test/count"] == 10_000
    assert figures["val/count"] == 5_000
    assert figures["test/accuracy"] > 0.93


def test_where_rich_is_installed_nothing_else_is_said(digits, monkeypatch):
    """Lightning would then print a table of its own on standard output, where the result is expected alone."""
    monkeypatch.setattr("pytorch_lightning.trainer.connectors.callback_connector._RICH_AVAILABLE", True)
    quick = ["--data.source", "uci", "--trainer.max_epochs", "1", "--report", "false"]
    status, output, errors = digits("fit", "--model", "MLP", *quick)
    assert status == 0, errors
    assert output.count("\n") == 1
