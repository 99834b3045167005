import os
import shutil
import subprocess
import threading
import warnings
from multiprocessing import forkserver
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from digits.__main__ import main

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _clean_process_state(monkeypatch, tmp_path):
    """Each test starts in an empty folder, unseeded; what a verb changes in the process is put back."""
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    monkeypatch.setenv("DIGITS_TRUST", "")
    if "DIGITS_DATA_DIR" in os.environ:
        monkeypatch.setenv("DIGITS_DATA_DIR", str((ROOT / os.environ["DIGITS_DATA_DIR"]).resolve()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    with warnings.catch_warnings():
        yield


@pytest.fixture
def mnist_dir():
    """The folder with the real MNIST, for the tests that need it."""
    folder = os.environ.get("DIGITS_DATA_DIR")
    if folder is None:
        pytest.skip("set DIGITS_DATA_DIR to a folder that holds MNIST")
    return Path(folder)


@pytest.fixture
def disk(tmp_path):
    """A disk of three megabytes that can be made read-only; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("mounting a tmpfs needs privileges that this process does not have")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def browser():
    """A real browser without a window; of a module, since meanwhile nothing here can run an event loop of its own."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Debian's chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def no_mirrors(monkeypatch):
    """A machine that cannot reach the mirrors of MNIST."""
    import torchvision.datasets

    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])


@pytest.fixture
def digits(capfd):
    """Run a verb in this process: ``status, output, errors = digits("fit", …)``."""

    def run(*arguments):
        if arguments and arguments[0] == "serve":
            forkserver._forkserver._stop()  # which would keep the network of a service before
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        output, errors = capfd.readouterr()
        return status, output, errors

    return run


@pytest.fixture
def fit(digits):
    """Train for a moment on the digits inside scikit-learn; returns the run's folder."""

    def run(*arguments, model="MLP", runs_dir="runs"):
        quick = ["--model", model, "--data.source", "uci", "--runs_dir", runs_dir]
        quick += ["--trainer.max_epochs", "1", "--trainer.enable_progress_bar", "false"]
        quick += ["--trainer.enable_model_summary", "false", "--report", "false"]
        status, output, errors = digits("fit", *quick, *arguments)
        assert status == 0, errors
        return Path(output.strip().splitlines()[-1].rpartition(" · ")[2])

    return run
