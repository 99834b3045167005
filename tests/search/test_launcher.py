from pathlib import Path

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
