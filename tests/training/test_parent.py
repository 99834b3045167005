import os
import signal
import subprocess
import sys
import time

from tests.conftest import ROOT

START = """
import os, subprocess, sys, time
variables = os.environ | {"DIGITS_PARENT": str(os.getpid())}
command = [sys.executable, "-m", "digits", "fit", "--model", "MLP", "--data.source", "uci", "--report", "false"]
command += ["--trainer.max_epochs", "500", "--trainer.callbacks+=digits.training.StopWithParent"]
subprocess.Popen(command, env=variables, stdout=open("log", "w"), stderr=subprocess.STDOUT, start_new_session=True)
time.sleep(600)
"""


def test_a_run_ends_with_the_process_that_started_it(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", START], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    last = tmp_path / "runs" / "mlp" / "version_0" / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 60
    while not last.exists():
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while "stopped by SIGTERM" not in (log := (tmp_path / "log").read_text()):
        assert time.monotonic() < deadline, log
        time.sleep(0.05)
    assert "resume with" in log
