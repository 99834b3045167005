import json
import sys

import pytest
from seeds import compare, describe, main, merge, settings_of

from digits.cli.resolve import resolve
from digits.errors import UserError
from tests.conftest import ROOT


def run(seed, accuracy, mistakes, source="mnist"):
    figures = {"test/accuracy": accuracy, "test/ece": 0.002, "seconds": 60.0, "count": 10_000}
    return {"seed": seed, "source": source, "mistakes": mistakes, **figures}


def test_the_disputed_images_are_left_out_of_the_second_figure():
    said = describe("net", [run(1, 0.9970, [*range(28), 947, 9729]), run(2, 0.9980, list(range(20)))])
    assert "net: 99.750 ± 0.071 % (2 seeds; best 99.80, worst 99.70)" in said
    assert f"without the 15 disputed test images: {100 * (1 - 24 / 9985):.3f} ±" in said


def test_mcnemar_counts_what_only_one_of_two_misreads():
    said = compare([run(1, 0.999, [1, 2, 3])], [run(1, 0.99, [3, *range(10, 20)])])
    assert "2 misread by the first alone, 10 by the second alone, p = 0.039" in said
    assert "Welch" not in said


def test_two_seeds_never_replace_ten(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"runs": [run(seed, 0.99, [1]) for seed in range(1, 11)]}))
    merged = merge(path, [run(2, 0.98, [2]), run(11, 0.97, [3])])
    assert [found["seed"] for found in merged] == list(range(1, 12))
    assert [found["test/accuracy"] for found in merged[:3]] == [0.99, 0.98, 0.99]


def test_results_of_different_settings_are_not_mixed(monkeypatch, tmp_path):
    monkeypatch.setattr("seeds.train", lambda *_: pytest.fail("nothing should be trained"))
    results = tmp_path / "results" / "mlp.json"
    results.parent.mkdir()
    settings = settings_of(resolve(["--config", "mlp", "--data.source", "uci"]))
    results.write_text(json.dumps({"settings": settings, "runs": []}))
    monkeypatch.setattr(sys, "argv", ["seeds.py", "--config", "mlp", "--results", "results", "--data.source", "mnist"])
    with pytest.raises(UserError, match=r"mlp\.json is of data\.source uci, and now it is mnist"):
        main()


@pytest.mark.slow
def test_seeds_are_trained_kept_and_resumed(monkeypatch, tmp_path, capsys):
    options = ["--data.source", "uci", "--trainer.max_epochs", "2"]
    files = ["--config", str(ROOT / "configs" / "mlp.yaml"), "--results", "results"]
    monkeypatch.setattr(sys, "argv", ["seeds.py", *files, "--seeds", "1", *options])
    main()
    first = json.loads((tmp_path / "results" / "mlp.json").read_text())
    stamp = (tmp_path / "runs" / "mlp-seed-1" / "version_0" / "metrics.json").stat().st_mtime_ns
    monkeypatch.setattr(sys, "argv", ["seeds.py", *files, "--seeds", "2", "--jobs", "2", *options])
    main()
    both = json.loads((tmp_path / "results" / "mlp.json").read_text())
    assert both["runs"][0] == first["runs"][0]
    assert (tmp_path / "runs" / "mlp-seed-1" / "version_0" / "metrics.json").stat().st_mtime_ns == stamp
    (one, other) = both["runs"]
    assert one["mistakes"] != other["mistakes"]
    assert one["test/accuracy"] == pytest.approx(1 - len(one["mistakes"]) / 360, abs=1e-6)
    (tmp_path / "runs" / "mlp-seed-2" / "version_0" / "metrics.json").unlink()
    main()
    assert json.loads((tmp_path / "results" / "mlp.json").read_text())["runs"][1]["mistakes"] == other["mistakes"]
    assert "(2 seeds; best" in capsys.readouterr().out
