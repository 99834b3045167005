import csv
import json
import re
import shutil

import pytest
import torch
from sklearn.metrics import classification_report
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from digits.__main__ import main
from digits.data import find_source
from digits.evaluation import confidence_interval

PICTURES = {
    "classification_report",
    "confidence",
    "confusion_matrix",
    "curves",
    "embedding",
    "first_layer",
    "misclassified",
    "per_digit_accuracy",
    "sample_digits",
    "sample_predictions",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run with its report, as ``fit`` leaves it."""
    runs = tmp_path_factory.mktemp("report") / "runs"
    quick = ["--data.source", "uci", "--trainer.max_epochs", "3", "--trainer.enable_progress_bar", "false"]
    assert main(["fit", "--model", "MLP", "--experiment", "small", "--runs_dir", str(runs), *quick]) == 0
    return runs / "small" / "version_0"


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the run, for each test its own."""
    return shutil.copytree(finished, tmp_path / "runs" / "small" / "version_0")


@pytest.fixture
def page(run):
    return run / "report" / "index.html"


def test_figures_are_those_of_metrics_json_and_of_scikit_learn(page, run, digits):
    figures = json.loads((run / "metrics.json").read_text())
    shown = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page.read_text()))
    assert shown["test accuracy"] == f"{100 * figures['test/accuracy']:.2f} %"
    assert shown["cross-entropy"] == f"{figures['test/loss']:.4f} nats"
    assert shown["macro F1"] == f"{figures['test/f1']:.4f}"
    assert shown["calibration error"] == f"{100 * figures['test/ece']:.2f} %"
    assert shown["answered at 99.9 % accuracy"] == f"{100 * figures['test/coverage_at_0.999']:.2f} %"
    digits("predict", "--ckpt_path", run / "checkpoints" / "best.ckpt")
    answers = [int(row["label"]) for row in csv.DictReader((run / "predictions.csv").open())]
    labels = find_source("uci").load(run).test.labels
    expected = classification_report(labels, answers, output_dict=True, zero_division=0)
    rows = {row["digit"]: row for row in csv.DictReader((page.parent / "classification_report.csv").open())}
    assert shown["mistakes"] == f"{(torch.tensor(answers) != labels).sum()} of 360"
    for name in (*map(str, range(10)), "macro avg", "weighted avg"):
        assert float(rows[name]["precision"]) == pytest.approx(expected[name]["precision"])
        assert float(rows[name]["recall"]) == pytest.approx(expected[name]["recall"])
        assert float(rows[name]["f1"]) == pytest.approx(expected[name]["f1-score"])
        assert int(rows[name]["support"]) == expected[name]["support"]


def test_page_states_the_run_and_has_every_picture_beside_it(page):
    assert {path.stem for path in page.parent.glob("*.png")} == PICTURES
    text = page.read_text()
    for fact in ("MLP, 109,578 parameters", "FLOPs an image", "uci, 1,437 training images", "MD5", "max_epochs: 3"):
        assert fact in text
    assert len(re.findall(r"<img [^>]*alt=\"[^\"]+\"", text)) == len(PICTURES) - 1  # one is a table on the page


@pytest.mark.parametrize("size", [(390, 844), (1280, 900)], ids=["phone", "desktop"])
def test_page_in_a_browser(page, browser, size):
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    tab, complaints, requests = context.new_page(), [], []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page.resolve().as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert tab.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    canvas = tab.locator("#map canvas")
    canvas.scroll_into_view_if_needed()
    x, y = tab.evaluate("place(7)")
    canvas.hover(position={"x": x, "y": y})
    assert re.fullmatch(r"a \d(, read as \d)?", tab.locator("#shown span").inner_text())
    assert tab.locator("#shown i").evaluate("element => getComputedStyle(element).backgroundImage").startswith("url")
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [page.resolve().as_uri()]
    context.close()


def test_runs_side_by_side(run, fit, digits, tmp_path):
    other = fit("--experiment", "smaller", "--model.hidden", "[16]")
    status, output, errors = digits("report", run, other.parent, "--output", "both")
    assert status == 0, errors
    text = (tmp_path / output.strip()).read_text()
    assert "small 0 and smaller 0" in text
    assert "model.init_args.hidden" in text
    assert "[16]" in text
    only_first, only_second = (
        int(re.search(r"<td>small 0 and smaller 0</td><td>(\d+)</td><td>(\d+)</td>", text)[number]) for number in (1, 2)
    )
    first, second = (json.loads((folder / "metrics.json").read_text())["test/accuracy"] for folder in (run, other))
    assert only_first - only_second == round(360 * (first - second))
    assert {path.stem for path in (tmp_path / "both").glob("*.png")} == {"accuracies", "validation", "differences"}


def test_verb_writes_what_fit_wrote(page, run, digits, fit):
    first = page.read_text()
    shutil.rmtree(run / "report")
    assert digits("report", run)[:2] == (0, f"{page}\n")
    assert page.read_text() == first
    assert not (fit("--report", "false") / "report").exists()


def test_mistakes_of_users(run, digits, tmp_path):
    assert digits("report", "runs/none")[2] == (
        "digits: error: runs/none does not exist; give the folder of a run, like runs/cnn/version_0\n"
    )
    assert "--output is for the page of several runs" in digits("report", run, "--output", "there")[2]
    shutil.rmtree(run / "report")
    (run / "report").write_text("in the way")
    assert digits("report", run)[2] == f"digits: error: cannot write {run.resolve() / 'report'}: File exists\n"
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(metrics | {"data": metrics["data"] | {"fingerprint": {"x": "other"}}}))
    assert "are other than those in" in digits("report", run)[2]
    (run / "metrics.json").unlink()
    assert "holds no finished run" in digits("report", run)[2]
    shutil.rmtree(run / "checkpoints")


def test_tensorboard_has_curves_pictures_graph_and_projector(run):
    tags = [EventAccumulator(str(path)).Reload() for path in sorted(run.glob("events*"))]
    images = {tag for events in tags for tag in events.Tags()["images"]}
    tensors = {tag for events in tags for tag in events.Tags()["tensors"]}
    assert {"val/confusion_matrix", "val/mistakes"} <= images
    assert {f"val_precision_recall/{digit}" for digit in range(10)} <= tensors
    assert "custom_scalars__config__" in tensors
    assert any(events.Tags()["graph"] for events in tags)
    assert "test_digits" in (run / "projector_config.pbtxt").read_text()


def test_interval_is_wilsons():
    low, high = confidence_interval(9_975, 10_000)  # from the formula, by hand
    assert (low, high) == pytest.approx((0.996312, 0.998306), abs=1e-6)
