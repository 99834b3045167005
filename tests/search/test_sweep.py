import csv
import json
import re
import signal
import time
from pathlib import Path

import pytest
import yaml

from digits.cli.resolve import resolve
from digits.search.sweeps import flags, read_space, samples
from tests.conftest import ROOT

SPACE = "model.init_args.hidden: {choices: [[8], [32]]}\nmodel.init_args.optimizer.init_args.lr: "
GRID = SPACE + "{choices: [0.01, 0.001]}"


@pytest.fixture
def space(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE + "{low: 1.0e-3, high: 1.0e-1, log: true}")
    return "space.yaml"


def trials(folder):
    return list(csv.DictReader((folder / "trials.csv").open()))


def test_a_grid_is_tried_whole_and_the_best_is_a_recipe(digits, recipe, tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    status, output, errors = digits(
        "sweep", "--config", recipe, "--space", "grid.yaml", "--sampler", "grid", "--jobs", "2"
    )
    assert status == 0, errors
    folder = tmp_path / "runs" / "small-sweep" / "version_0"
    assert "grid of 4 points" in output
    rows = trials(folder)
    assert len(rows) == 4
    assert len({(row["model.init_args.hidden"], row["model.init_args.optimizer.init_args.lr"]) for row in rows}) == 4
    accuracies = [float(row["val/accuracy"]) for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)
    for name in ("history", "parallel_coordinates"):
        assert (folder / f"{name}.png").stat().st_size > 10_000
        assert "Plotly" in (folder / f"{name}.html").read_text()
    best = yaml.safe_load((folder / "best.yaml").read_text())
    assert json.dumps(best["model"]["init_args"]["hidden"]) == rows[0]["model.init_args.hidden"]
    status, output, errors = digits("fit", "--config", folder / "best.yaml", "--report", "false")
    assert status == 0, errors
    run = Path(output.strip().splitlines()[-1].rpartition(" · ")[2])
    assert run.parent.name == "small-best"
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["val/accuracy"] == pytest.approx(accuracies[0], abs=0.03)  # sums differ with the threads
    assert "test/accuracy" in metrics
    # Again, it has nothing left to do.
    status, output, _ = digits("sweep", "--config", recipe, "--space", "grid.yaml", "--sampler", "grid")
    assert status == 0
    assert "4 trials so far of 4" in output


@pytest.mark.slow
def test_what_does_not_reach_the_median_is_pruned(digits, recipe, tmp_path):
    (tmp_path / "space.yaml").write_text(
        "model.init_args.optimizer.init_args.lr: {choices: [0.01, 0.011, 0.012, 0.013, 0.014, 0.015, 0.016, 1.0e-9]}"
    )
    options = ["--config", recipe, "--space", "space.yaml", "--sampler", "grid", "--trainer.max_epochs", "6"]
    assert digits("sweep", *options, "--jobs", "2")[0] == 0
    best, *_, worst = trials(tmp_path / "runs" / "small-sweep" / "version_0")
    assert (best["state"], worst["state"]) == ("complete", "pruned")
    assert float(worst["model.init_args.optimizer.init_args.lr"]) == 1e-9
    (run,) = (tmp_path / "runs" / "small-sweep" / "version_0").glob("trial-0007/version_0")
    assert json.loads((run / "metrics.json").read_text())["epochs"] < 6


@pytest.mark.slow
def test_folds_judge_a_trial(digits, recipe, tmp_path):
    (tmp_path / "one.yaml").write_text("model.init_args.hidden: {choices: [[16]]}")
    status, _, errors = digits(
        "sweep", "--config", recipe, "--space", "one.yaml", "--sampler", "grid", "--folds", "2", "--jobs", "2"
    )
    assert status == 0, errors
    folder = tmp_path / "runs" / "small-sweep" / "version_0"
    (row,) = trials(folder)
    folds = [json.loads(path.read_text())["val/accuracy"] for path in folder.glob("trial-0000-fold-*/*/metrics.json")]
    assert len(folds) == 2
    assert float(row["val/accuracy"]) == pytest.approx(sum(folds) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "options", "complaint"),
    [
        ("model.init_args.hiden: {choices: [[8]]}", [], "unknown key 'hiden'; did you mean 'hidden'?"),
        ("data.batchsize: {low: 8, high: 9}", [], "data: unknown key 'batchsize'; did you mean 'batch_size'?"),
        ("model.class_path: {choices: [digits.models.CNNN]}", [], "did you mean 'CNN'?"),
        ("data.batch_size: {low: 8, high: 9}", ["--sampler", "gird"], "unknown sampler 'gird'; did you mean 'grid'?"),
        ("data.batch_size: {low: 8, high: 9}", ["--pruner", "mean"], "unknown pruner 'mean'; did you mean 'median'?"),
        ("data.batch_size: {low: 8, high: 9}", ["--storage", "mysterious://x"], "storage cannot be opened"),
    ],
)
def test_mistakes_are_named_before_the_first_trial(digits, recipe, tmp_path, text, options, complaint):
    (tmp_path / "space.yaml").write_text(text)
    status, _, errors = digits("sweep", "--config", recipe, "--space", "space.yaml", "--trials", "2", *options)
    assert status == 2
    assert complaint in errors
    assert errors.count("\n") == 1
    assert not list(tmp_path.glob("runs/*/trial-*"))


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "configs" / "sweeps").glob("*.yaml")))
def test_shipped_spaces_fit_their_recipes(name):
    space = ROOT / "configs" / "sweeps" / f"{name}.yaml"
    (config,) = set(re.findall(r"--config (configs/\S+)", space.read_text()))
    for chosen in samples(read_space(space)):
        settings = resolve(["--config", str(ROOT / config), *flags(chosen)])
        for key, value in chosen.items():
            found = settings
            for part in key.split("."):
                found = found[part]
            assert found == value


@pytest.mark.slow
def test_two_workers_one_of_them_killed(start, recipe, space, storage, tmp_path):
    options = ["sweep", "--config", recipe, "--space", space, "--trials", "8", "--storage", storage]
    options += ["--trainer.max_epochs", "12"]
    first, second = start(*options), start(*options)
    folder = tmp_path / "runs" / "small-sweep" / "version_0"
    while len(list(folder.glob("trial-*/version_0/metrics.csv"))) < 3:
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    output, errors = second.communicate(timeout=240)
    assert second.returncode == 0, errors
    assert "8 trials; the best" in output
    rows = trials(folder)
    assert len(rows) == 8
    assert len({row["trial"] for row in rows}) == 8
    assert {row["state"] for row in rows} <= {"complete", "pruned"}
    for row in rows:
        (metrics,) = (folder / f"trial-{int(row['trial']):04}").glob("version_*/metrics.json")
        assert json.loads(metrics.read_text())["val/count"] == 287


@pytest.mark.slow
def test_stopped_by_hand_it_goes_on(start, recipe, space, tmp_path):
    options = ["sweep", "--config", recipe, "--space", space, "--trials", "2", "--trainer.max_epochs", "30"]
    process = start(*options)
    checkpoint = (
        tmp_path / "runs" / "small-sweep" / "version_0" / "trial-0000" / "version_0" / "checkpoints" / "last.ckpt"
    )
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on with the study" in errors
    again = start(*options)
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert [row["trial"] for row in trials(tmp_path / "runs" / "small-sweep" / "version_0")].count("0") == 1
    assert "resume with" in (checkpoint.parents[2] / "log.txt").read_text()
    assert len(list(checkpoint.parents[2].glob("version_*"))) == 1


@pytest.mark.slow
def test_trials_of_two_processes_each(digits, recipe, space, tmp_path):
    devices = ["--trainer.accelerator", "cpu", "--trainer.strategy", "ddp", "--trainer.devices", "2"]
    status, _, errors = digits(
        "sweep", "--config", recipe, "--space", space, "--trials", "2", "--trainer.max_epochs", "3", *devices
    )
    assert status == 0, errors
    rows = trials(tmp_path / "runs" / "small-sweep" / "version_0")
    assert [row["state"] for row in rows] == ["complete", "complete"]


@pytest.mark.slow
def test_without_its_journal_a_sweep_claims_nothing_of_the_trials_on_disk(digits, recipe, tmp_path):
    def search(width):
        (tmp_path / "one.yaml").write_text(f"model.init_args.hidden: {{choices: [[{width}]]}}")
        status, _, errors = digits("sweep", "--config", recipe, "--space", "one.yaml", "--sampler", "grid")
        assert status == 0, errors

    home = tmp_path / "runs" / "small-sweep"
    search(8)
    former = (home / "version_0" / "best.yaml").read_bytes()
    (home / "study.journal").unlink()
    search(32)
    assert (home / "version_0" / "best.yaml").read_bytes() == former
    (run,) = (home / "version_1" / "trial-0000").glob("version_*")
    best = yaml.safe_load((home / "version_1" / "best.yaml").read_text())
    trained = yaml.safe_load((run / "config.yaml").read_text())
    assert best["model"]["init_args"]["hidden"] == trained["model"]["init_args"]["hidden"] == [32]
