import os
import signal
import threading
import time
import warnings

import nbformat
import pytest
from nbclient import NotebookClient

import digits
from digits.errors import Interrupted, UserError

QUICK = {"data": {"source": "uci"}, "report": False}


def test_fit_takes_a_recipe_and_overrides_and_returns_the_run():
    fit = digits.fit  # imports Lightning, which words warnings its own way from then on
    before = warnings.formatwarning, threading.excepthook
    run = fit("mlp", **QUICK, **{"trainer.max_epochs": 1})
    assert (warnings.formatwarning, threading.excepthook) == before
    assert isinstance(run, digits.Run)
    assert run.is_finished
    assert run.config["trainer"]["max_epochs"] == 1
    assert run.figures["data"]["source"] == "uci"
    assert run.folder.parent.name == "mlp"


def test_an_interrupted_fit_is_told_and_goes_on(tmp_path, capfd):
    class Interrupt(threading.Thread):
        """What a notebook's stop button sends, as soon as there is something to go on from."""

        def run(self):
            while not list(tmp_path.glob("runs/notebook/version_0/checkpoints/last.ckpt")):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

    config = {
        "model": {"class_path": "digits.models.MLP", "init_args": {"hidden": [8]}},
        "trainer": {"max_epochs": 20, "enable_progress_bar": False, "enable_model_summary": False},
        "runs_dir": tmp_path / "runs",
        **QUICK,
    }
    Interrupt().start()
    with pytest.raises(Interrupted, match="stopped by SIGINT after"):
        digits.fit(config)
    run = digits.fit(config, ckpt_path="last")
    assert run.folder == tmp_path / "runs" / "notebook" / "version_0"
    assert len(run.curves) == 20
    assert "warning" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"trainer": {"max_epoch": 1}}, "unknown option 'trainer.max_epoch'; did you mean 'trainer.max_epochs'"),
        ({"epochs": 1}, "unknown option 'epochs'; did you mean 'trainer.max_epochs'"),
        ({"model": {"hiden": [8]}}, "model: unknown key 'hiden'; did you mean 'hidden'"),
        ({"model": {"hidden": [0]}}, r"^model.hidden is \[0\]; each width must be at least 1"),
        ({"trainer": {"callbacks": object()}}, "trainer.callbacks: <object .* is nothing that a YAML file holds"),
    ],
)
def test_mistakes_are_told_in_one_line(overrides, complaint, tmp_path):
    with pytest.raises(UserError, match=complaint) as told:
        digits.fit("mlp", **(QUICK | overrides))
    assert "\n" not in str(told.value)
    assert not list(tmp_path.glob("runs/*"))


def test_a_notebook_shows_a_mistake_without_a_traceback():
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import digits\ndigits.fit('mlp', trainer={'max_epoch': 1})")]
    )
    NotebookClient(notebook, timeout=120, allow_errors=True).execute()
    (shown,) = notebook.cells[0].outputs
    assert shown["traceback"] == [
        "digits: error: unknown option 'trainer.max_epoch'; did you mean 'trainer.max_epochs'?"
    ]
