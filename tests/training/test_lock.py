"""Locks between real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from digits.training import InUseError, Run, lock

_HOLD = (
    "import pathlib, subprocess, sys, time\n"
    "from digits.training import lock\n"
    "with lock(pathlib.Path('.')):\n"
    "    child = subprocess.Popen(['sleep', '30'])\n"
    "    print(child.pid, flush=True)\n"
    "    time.sleep(30)\n"
)


def test_the_holder_is_named_and_its_death_frees_the_folder_though_its_children_live(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", _HOLD], stdout=subprocess.PIPE, text=True)
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(InUseError, match=rf"is in use by process {holder.pid} on \S+ since 20"), lock(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with lock(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_second_thread_or_call_of_the_same_process_is_refused_and_leaves_the_lock(tmp_path):
    other = (
        "import pathlib, digits.training as t\ntry:\n  t.lock(pathlib.Path('.')).__enter__()\n"
        "except t.InUseError: print('held')"
    )
    with lock(tmp_path):
        with pytest.raises(InUseError, match="by this process"), lock(tmp_path):
            pass
        said = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True).stdout
        assert said == "held\n"


def test_a_second_resume_touches_nothing_and_says_who_trains(fit, digits):
    run = fit()
    command = [sys.executable, "-m", "digits", "fit", "--ckpt_path", "last", "--trainer.max_epochs", "100000"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    config = run / "config.yaml"
    try:
        while yaml.safe_load(config.read_text())["trainer"]["max_epochs"] != 100000:
            assert first.poll() is None, first.stderr.read()
            time.sleep(0.05)
        before = config.read_text()
        status, _, errors = digits("fit", "--ckpt_path", "last", "--trainer.max_epochs", "9")
        assert status == 2
        assert errors.count("\n") == 1
        assert f"is in use by process {first.pid} on " in errors
        assert config.read_text() == before
        assert not (run / "config-2.yaml").exists()
        assert "is in use by" in digits("report", run)[2]
        assert digits("test", "--ckpt_path", run / "checkpoints" / "best.ckpt")[0] == 0
    finally:
        first.kill()
        first.communicate()
    with lock(run):  # of which nothing is left
        pass


@pytest.mark.parametrize("name", ["a/b", "with space", "[brackets]", "a,b", "*"])
def test_last_of_an_experiment_of_any_name(name, tmp_path):
    other = Run.claim(tmp_path, "other")
    run = Run.claim(tmp_path, name)
    for each in (other, run):
        each.checkpoints.mkdir()
        each.last.write_bytes(b"")
    os.utime(other.last, (1, 1))
    assert Run.all_in(tmp_path, name) == [run]
    assert Run.all_in(tmp_path) == [run, other]


def test_runs_within_a_run_are_not_the_newest(tmp_path):
    outer = Run.claim(tmp_path, "small-crossval")
    fold = Run.claim(outer.folder, "fold-0")
    assert Run.all_in(tmp_path) == [outer]
    assert Run.all_in(outer.folder) == [fold]
    assert Path(fold.folder).parent.parent == outer.folder
