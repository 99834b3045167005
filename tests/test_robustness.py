import json

from digits.evaluation import DISTORTIONS, MNIST_C


def test_checkpoints_are_compared(fit, digits, mnist_dir, tmp_path):
    runs = [fit(), fit("--trainer.max_epochs", "4")]
    checkpoints = [run / "checkpoints" / "best.ckpt" for run in runs]
    status, output, errors = digits("robustness", *checkpoints, "--images", "200", "--output", "found")
    assert status == 0, errors
    assert errors == ""
    lines = output.splitlines()
    assert "mlp 0 | mlp 1" in lines[0]
    levels = sum(len(distortion.levels) for distortion in DISTORTIONS.values())
    found = json.loads((tmp_path / "found.json").read_text())["trials"]
    assert len(found) == levels + len(MNIST_C) + 1 + 3 + 4 + 2
    clean = found[0]["figures"]
    assert f"{100 * clean['mlp 0']:.2f} | {100 * clean['mlp 1']:.2f} |" in lines[2]
    assert (tmp_path / "found.png").stat().st_size > 50_000
    message = "digits: error: --images is 0; it must be at least 1\n"
    assert digits("robustness", checkpoints[0], "--images", "0") == (2, "", message)
