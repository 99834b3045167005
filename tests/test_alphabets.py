"""Another alphabet than the ten digits, from the training images to every answer."""

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from digits import DigitClassifier, DigitsDataModule
from digits.__main__ import main
from digits.models import MLP, load_model
from digits.recognition import Recognizer
from tests.alphabets import ALPHABET, make_csv, make_folder, make_letters

QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the data in ``letters/`` and a run, with its report, that reads them."""
    folder = tmp_path_factory.mktemp("alphabet")
    make_folder(folder / "letters")
    data = ["--data.source", "folder", "--data.data_dir", str(folder / "letters"), "--data.batch_size", "16"]
    optimizer = ["--model.optimizer", "Adam", "--model.optimizer.lr", "0.01"]
    where = ["--experiment", "letters", "--runs_dir", str(folder / "runs"), "--trainer.max_epochs", "5"]
    assert main(["fit", "--model", "MLP", *optimizer, *data, *where, *QUIET]) == 0
    return folder


@pytest.fixture
def run(trained):
    return trained / "runs" / "letters" / "version_0"


@pytest.fixture
def best(run):
    return run / "checkpoints" / "best.ckpt"


def test_figures_and_report_name_the_classes(run):
    figures = json.loads((run / "metrics.json").read_text())
    assert {f"test/accuracy_of_{name}" for name in ALPHABET} < set(figures)
    assert figures["test/accuracy"] > 0.9
    assert "val/accuracy_of_œ" in (run / "metrics.csv").read_text().splitlines()[0]
    rows = list(csv.DictReader((run / "report" / "classification_report.csv").open()))
    assert [row["class"] for row in rows[:-3]] == ALPHABET
    page = (run / "report" / "index.html").read_text()
    assert '<th scope="row">œ</th>' in page
    assert "Precision, recall and F1 of each class" in page
    assert "Rows are true classes" in page


def test_predictions_name_the_classes(digits, run, best, trained):
    assert digits("predict", "--ckpt_path", best, *QUIET)[0] == 0
    rows = list(csv.DictReader((run / "predictions.csv").open(encoding="utf-8")))
    assert list(rows[0]) == ["index", "label", "confidence", *(f"p{name}" for name in ALPHABET), "file"]
    assert sum(row["file"].partition("/")[0] == row["label"] for row in rows) > 0.9 * len(rows)
    unlabelled = ["--data.data_dir", trained / "letters" / "B"]
    status, _, errors = digits("predict", "--ckpt_path", best, *unlabelled, *QUIET)
    assert status == 0, errors
    assert {row["label"] for row in csv.DictReader((run / "predictions.csv").open())} == {"B"}


@pytest.mark.parametrize("kind", ["ckpt", "onnx", "safetensors", "ensemble"])
def test_every_file_of_it_reads_the_class(digits, best, trained, tmp_path, kind):
    path = tmp_path / f"net.{kind}"
    if kind == "ckpt":
        path = best
    elif kind == "ensemble":
        assert digits("ensemble", best, best, "--output", path)[0] == 0
    else:
        assert digits("export", "--checkpoint", best, "--output", path)[0] == 0
        assert json.dumps(ALPHABET, ensure_ascii=False) in (tmp_path / f"net.{kind}.md").read_text()
        assert "Tells 5 classes (9, 10, B, a, œ) apart" in (tmp_path / f"net.{kind}.md").read_text()
    picture = trained / "letters" / "10" / "1.png"
    assert digits("recognize", "--layout", "digit", "--checkpoint", path, picture)[1] == "10\n"
    status, output, errors = digits("recognize", "--checkpoint", path, "--format", "json", picture)
    assert status == 0, errors
    (found,) = json.loads(output)["lines"][0]
    assert set(found) == {"label", "confidence", "box"}
    assert found["label"] == "10"
    if kind != "safetensors":
        status, output, errors = digits("test", "--ckpt_path", path, "--data.source", "uci", *QUIET)
        assert status == 2
        assert "5 classes (9, 10, B, a, œ) apart and the data have" in errors
        assert errors.count("\n") == 1


def test_answers_name_all_classes_on_demand(best, trained):
    page = Recognizer.from_checkpoint(best).read(trained / "letters" / "œ" / "4.png")
    (found,) = page.as_json("œ", with_probabilities=True)["lines"][0]
    assert list(found["probabilities"]) == ALPHABET
    assert page.text == "œ"


def test_large_picture_is_centred_and_read_as_one_character(best, tmp_path):
    picture = Image.new("L", (200, 120), 255)
    picture.paste(0, (20, 40, 60, 90))
    picture.paste(0, (120, 40, 160, 90))
    reading = Recognizer.from_checkpoint(best).read(picture, "auto")
    assert len(reading.lines) == 1
    assert reading.lines[0][0].label in ALPHABET


def test_pictures_are_read_in_the_form_that_the_network_was_trained_on(fit, digits, tmp_path):
    letters = "abcdeghkmrsx"
    make_letters(tmp_path / "letters", letters, 50)
    data = ["--data.source", "folder", "--data.data_dir", str(tmp_path / "letters"), "--data.batch_size", "32"]
    optimizer = ["--model.optimizer", "Adam", "--model.optimizer.lr", "0.003", "--trainer.max_epochs", "12"]
    best = fit(*data, *optimizer) / "checkpoints" / "best.ckpt"
    unseen = make_letters(tmp_path / "unseen", letters, 6, seed=1)
    pictures = sorted(map(str, unseen.glob("*/*.png")))
    status, output, errors = digits("recognize", "--layout", "digit", "--checkpoint", best, *pictures)
    assert status == 0, errors
    answers = dict(line.split(": ") for line in output.splitlines())
    assert sum(Path(name).parent.name == letter for name, letter in answers.items()) >= 0.95 * len(pictures)


def test_pages_and_distorted_digits_are_refused(digits, best, trained):
    picture = trained / "letters" / "a" / "3.png"
    status, _, errors = digits("recognize", "--layout", "page", "--checkpoint", best, picture)
    assert (status, errors.count("\n")) == (2, 1)
    assert "pages are read with networks of ten digits" in errors
    status, _, errors = digits("robustness", best)
    assert (status, errors.count("\n")) == (2, 1)
    assert "robustness is measured with ten digits" in errors


def test_members_with_other_classes_are_refused(digits, best, fit):
    other = fit() / "checkpoints" / "best.ckpt"
    status, _, errors = digits("ensemble", best, other, "--output", "both.ckpt")
    assert status == 2
    assert errors.count("\n") == 1
    assert f"{best} has 5 classes (9, 10, B, a, œ), {other} the ten digits" in errors


def test_crossval_names_the_classes(digits, trained, tmp_path):
    (tmp_path / "small.yaml").write_text(
        f"data: {{source: csv, data_dir: {make_csv(tmp_path)}, batch_size: 16}}\n"
        "model: {class_path: digits.models.MLP, init_args: {hidden: [16]}}\n"
        "trainer: {max_epochs: 1, logger: false, enable_progress_bar: false, enable_model_summary: false}\n"
    )
    status, output, errors = digits("crossval", "--config", "small.yaml", "--folds", "2", "--jobs", "2")
    assert status == 0, errors
    folder = tmp_path / "runs" / "small-crossval" / "version_0"
    rows = list(csv.DictReader((folder / "predictions.csv").open(encoding="utf-8")))
    assert {row["truth"] for row in rows} == set(ALPHABET)
    assert [line.split()[0] for line in output.splitlines()[1:] if line.startswith("   ")][1:6] == ALPHABET


def test_checkpoint_from_before_classes_had_names_is_one_of_digits(fit, tmp_path):
    best = fit() / "checkpoints" / "best.ckpt"
    content = torch.load(best, weights_only=True)
    del content["hyper_parameters"]["class_names"]
    torch.save(content, tmp_path / "old.ckpt")
    assert load_model(tmp_path / "old.ckpt").class_names == tuple("0123456789")


class Followed(DigitClassifier):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(784, self.num_classes))


class Fixed(DigitClassifier):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


class Closed(DigitClassifier):
    def __init__(self, width: int = 10):
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(784, width))


def test_own_model_follows_the_number_of_classes(fit, trained):
    data = ["--data.source", "folder", "--data.data_dir", str(trained / "letters")]
    run = fit(*data, model="tests.test_alphabets.Followed")
    assert load_model(run / "checkpoints" / "best.ckpt").network[1].out_features == len(ALPHABET)


@pytest.mark.parametrize("model", ["Fixed", "Closed"])
def test_own_model_with_ten_outputs_reads_digits_and_is_refused_for_letters(fit, digits, trained, model):
    path = f"tests.test_alphabets.{model}"
    fit(model=path)
    data = ["--data.source", "folder", "--data.data_dir", trained / "letters"]
    status, _, errors = digits("fit", "--model", path, *data, *QUIET)
    assert status == 2
    expected = {
        "Fixed": "Fixed has 10 outputs for 5 classes (9, 10, B, a, œ); end it with self.num_classes outputs",
        "Closed": "Closed tells the ten digits apart and the data have 5 classes (9, 10, B, a, œ)",
    }
    assert expected[model] in errors
    assert errors.count("\n") == 1


def test_python_takes_the_names_from_the_data(trained):
    data = DigitsDataModule(source="folder", data_dir=str(trained / "letters"))
    assert MLP(class_names=data.class_names).num_classes == len(ALPHABET)
