import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sklearn.metrics import accuracy_score

from digits.cli.resolve import resolve
from digits.data import find_source
from digits.search import find_or_claim


def test_every_training_image_is_left_out_once(digits, recipe, tmp_path):
    status, output, errors = digits("crossval", "--config", recipe, "--folds", "3", "--jobs", "2", "--ensemble")
    assert status == 0, errors
    folder = tmp_path / "runs" / "small-crossval" / "version_0"
    figures = json.loads((folder / "crossval.json").read_text())
    rows = list(csv.DictReader((folder / "predictions.csv").open()))
    labels = find_source("uci").load(tmp_path).train.labels.tolist()
    assert [int(row["index"]) for row in rows] == list(range(len(labels)))
    assert [int(row["truth"]) for row in rows] == labels
    answers = [int(row["label"]) for row in rows]
    assert figures["out_of_fold"]["accuracy"] == pytest.approx(accuracy_score(labels, answers), abs=1e-6)
    for fold in figures["folds"]:
        mine = [row for row in rows if int(row["fold"]) == fold["fold"]]
        right = sum(row["truth"] == row["label"] for row in mine)
        assert len(mine) == fold["val/count"]
        assert right / len(mine) == pytest.approx(fold["val/accuracy"], abs=1e-6)
        metrics = json.loads((folder / fold["run"] / "metrics.json").read_text())
        assert not [name for name in metrics if name.startswith("test/")]
    assert "small: " in output.splitlines()[-1]
    assert f"{100 * figures['mean']:.2f} ± {100 * figures['deviation']:.2f} %" in output
    tested = json.loads((folder / "test-uci.json").read_text())
    assert tested["test/count"] == 360
    assert tested["test/accuracy"] > 0.5


@pytest.mark.slow
def test_interrupted_it_goes_on_where_it_was(start, recipe, tmp_path):
    options = ["crossval", "--config", recipe, "--folds", "2", "--trainer.max_epochs", "25"]
    process = start(*options)
    first = tmp_path / "runs" / "small-crossval" / "version_0" / "fold-0" / "version_0"
    second = first.parents[1] / "fold-1" / "version_0"
    while not (second / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command keeps the finished folds" in errors
    assert not (second / "metrics.json").exists()
    stamp = (first / "metrics.json").stat().st_mtime_ns
    again = start(*options)
    output, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert (first / "metrics.json").stat().st_mtime_ns == stamp
    assert json.loads((second / "metrics.json").read_text())["epochs"] == 25
    assert [path.name for path in second.parent.iterdir() if path.is_dir()] == ["version_0"]
    assert "2 folds · runs/small-crossval/version_0" in output


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--folds", "1"], "--folds is 1; it must be at least 2"),
        (["--jobs", "0"], "--jobs is 0; it must be at least 1"),
        (["--modle.hidden", "[8]"], "did you mean 'model'?"),
        (["--data.batch_size", "0"], "data.batch_size is 0; it must be at least 1"),
    ],
)
def test_mistakes(digits, recipe, options, complaint):
    status, _, errors = digits("crossval", "--config", recipe, *options)
    assert status == 2
    assert complaint in errors
    assert errors.count("\n") == 1


def test_of_two_equal_ones_the_second_is_turned_away(digits, recipe):
    folder = find_or_claim(Path("runs"), "small-crossval", {"folds": 2, "config": resolve(["--config", recipe])})
    program = (
        "import pathlib, time\n"
        "from digits.training import lock\n"
        f"with lock(pathlib.Path({str(folder)!r})):\n"
        "    print('held', flush=True); time.sleep(100)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    status, _, errors = digits("crossval", "--config", recipe, "--folds", "2")
    holder.kill()
    holder.communicate()
    assert status == 2
    assert f"digits: error: {folder} is in use by process {holder.pid} on " in errors
    assert errors.count("\n") == 1
    assert not list(folder.glob("fold-*"))
