import json

import pytest
import torch

from digits.data import find_source
from digits.models import Ensemble, load_model


@pytest.fixture
def members(fit):
    runs = [fit("--seed_everything", "1"), fit(model="CNN")]
    return [run / "checkpoints" / "best.ckpt" for run in runs]


def test_an_ensemble_answers_with_the_mean_probability(digits, members, tmp_path):
    status, output, errors = digits("ensemble", *members, "--output", "both.ckpt")
    assert (status, errors) == (0, "")
    assert output == "2 members · both.ckpt\n"
    images = find_source("uci").load(tmp_path).test.images[:50].float() / 255
    mean = torch.stack([load_model(path)(images).softmax(dim=1) for path in members]).mean(dim=0)
    for path in members:
        path.unlink()  # the ensemble stands on its own
    joined = load_model(tmp_path / "both.ckpt")
    torch.testing.assert_close(joined(images).softmax(dim=1), mean)


def test_an_ensemble_is_tested_like_any_model(digits, members, tmp_path):
    digits("ensemble", *members, "--output", "both.ckpt")
    quiet = ["--trainer.enable_progress_bar", "false"]
    status, from_file, errors = digits("test", "--ckpt_path", "both.ckpt", *quiet)
    assert status == 0, errors
    files = json.dumps([str(path) for path in members])
    options = ["--model", "Ensemble", f"--model.checkpoints={files}", "--data.source", "uci"]
    status, from_list, errors = digits("test", *options, *quiet)
    assert status == 0, errors
    assert from_file.splitlines()[:-1] == from_list.splitlines()[:-1]
    assert from_list.rstrip().endswith("of uci · Ensemble")
    status, _, errors = digits("predict", "--ckpt_path", "both.ckpt", *quiet)
    assert status == 0, errors
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 361


def test_mistakes(digits, members):
    prefix = "digits: error: "
    assert digits("ensemble", *members, "--output", members[0])[2].startswith(f"{prefix}{members[0]} is one of")
    assert digits("ensemble", "gone.ckpt", "--output", "x.ckpt") == (
        2,
        "",
        f"{prefix}the checkpoint gone.ckpt does not exist\n",
    )
    expected = "unknown option '--outptu'; did you mean '--output'? (see `python -m digits ensemble --help`)"
    assert digits("ensemble", members[0], "--output", "x", "--outptu", "y") == (2, "", f"{prefix}{expected}\n")
    status, _, errors = digits("test", "--model", "Ensemble", "--data.source", "uci")
    assert (status, errors) == (2, f"{prefix}an Ensemble needs members: give model.checkpoints a list of files\n")
    assert Ensemble.is_trained
