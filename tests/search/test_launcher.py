import sys
from pathlib import Path

import pytest

from digits.errors import UserError
from digits.search import Launcher

_KILLED_ONCE = """
import os, pathlib, signal
from pytorch_lightning import Callback

class KilledOnce(Callback):
    def on_train_epoch_end(self, trainer, model):
        mark = pathlib.Path("killed")
        if trainer.current_epoch == 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_the_system_kills_is_begun_again_from_its_checkpoint(recipe, tmp_path):
    (tmp_path / "killer.py").write_text(_KILLED_ONCE)
    arguments = ["--config", recipe, "--trainer.callbacks+=killer.KilledOnce"]
    run = Launcher(1).fit(Path("runs"), "trial", arguments)
    assert (tmp_path / "killed").exists()
    assert run.is_finished
    assert run.folder.name == "version_0"
    assert run.figures["epochs"] == 2


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """A Python that the system kills as soon as it begins."""
    program = tmp_path / "killed"
    program.write_text("#!/bin/sh\necho begun >> begun\nkill -9 $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return tmp_path / "begun"


def test_a_run_that_is_always_killed_is_begun_three_times(killed):
    with pytest.raises(UserError, match="a run was killed 3 times, as the system does when memory runs out"):
        Launcher(1).fit(Path("runs"), "trial", [])
    assert killed.read_text().count("begun") == 3


def test_killed_trials_are_put_off_and_tried_again_by_the_same_command(digits, killed, recipe, tmp_path):
    (tmp_path / "space.yaml").write_text("model.init_args.hidden: {choices: [[8], [16]]}")
    command = ["sweep", "--config", recipe, "--space", "space.yaml", "--sampler", "grid"]
    for begun in (6, 12):
        status, output, errors = digits(*command)
        assert status == 2
        assert "0 trials so far of 2" in output
        assert output.count("put off") == 2
        assert errors == "digits: error: the system killed 2 trials time and again; the same command tries them anew\n"
        assert killed.read_text().count("begun") == begun
    assert not list(tmp_path.glob("runs/*/*/best.yaml"))
