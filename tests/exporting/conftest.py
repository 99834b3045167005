import sys
from pathlib import Path

import pytest

from digits.__main__ import main
from digits.join import join
from tests.conftest import ROOT

WITHOUT = """
import sys
for name in {modules!r}:
    sys.modules[name] = None  # as if it were not installed
{code}
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Checkpoints of networks of every kind, trained for a moment: mlp, cnn, one with all that a network can have."""
    folder = tmp_path_factory.mktemp("trained")
    quick = ["--data.source", "uci", "--trainer.max_epochs", "2", "--runs_dir", str(folder), "--report", "false"]
    quick += [
        "--trainer.logger",
        "false",
        "--trainer.enable_progress_bar",
        "false",
        "--trainer.enable_model_summary",
        "false",
    ]
    kinds = {
        "mlp": ["--model", "MLP"],
        "cnn": ["--model", "CNN"],
        "rich": ["--model", "CNN", "--model.stages", "[[8],[8,16]]", "--model.crop", "2", "--model.hidden", "[32]"],
        "layers": ["--model", "CNN", "--model.stages", "[[8]]", "--model.normalization", "layer"],
    }
    kinds["rich"] += ["--model.global_pooling", "true", "--model.dropout", "0.2"]
    kinds["rich"] += ["--model.stretch_contrast", "true", "--model.test_time_shift", "1"]
    found = {}
    for name, options in kinds.items():
        assert main(["fit", "--experiment", name, *options, *quick]) == 0
        found[name] = folder / name / "version_0" / "checkpoints" / "best.ckpt"
    found["ensemble"] = folder / "ensemble.ckpt"
    join([found["mlp"], found["rich"]], found["ensemble"])
    return found


@pytest.fixture
def python_without(tmp_path):
    """Run a piece of Python in a process in which some modules are not there; returns what it printed."""
    import subprocess

    def run(modules, code, folder: Path = tmp_path, status=0):
        command = [sys.executable, "-c", WITHOUT.format(modules=list(modules), code=code)]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == status, result.stderr
        return result.stdout + result.stderr

    return run
