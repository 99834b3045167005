import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

RECIPE = """
trainer: {max_epochs: 2, logger: false, enable_progress_bar: false, enable_model_summary: false}
model:
  class_path: digits.models.MLP
  init_args: {hidden: [16], optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 0.01}}}
data: {source: uci, batch_size: 64}
"""


@pytest.fixture
def recipe(tmp_path):
    """A recipe that trains for a moment on the digits inside scikit-learn."""
    (tmp_path / "small.yaml").write_text(RECIPE)
    return "small.yaml"


@pytest.fixture
def start(tmp_path):
    """Start the command line in a process of its own, in the test's folder."""
    started = []

    def run(*arguments):
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-m", "digits", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(params=["journal", "postgresql"])
def storage(request, tmp_path):
    """A place for a study: a file, or a real database that lives as long as the test."""
    if request.param == "journal":
        yield "study.journal"
        return
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if programs is None or shutil.which("runuser") is None:
        pytest.skip("needs Debian's postgresql")
    place = Path("/tmp") / f"digits-postgresql-{tmp_path.parent.name}-{tmp_path.name}"  # sockets need a short path
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.chown(place, "postgres", "postgres")

    def as_postgres(program, *arguments):
        subprocess.run(["runuser", "-u", "postgres", "--", programs / program, *arguments], check=True, cwd=place)

    as_postgres("initdb", "-D", place / "data", "--auth", "trust")
    options = f"-k {place} -c listen_addresses=''"
    as_postgres("pg_ctl", "-D", place / "data", "-o", options, "-l", place / "log", "-w", "start")
    try:
        yield f"postgresql://postgres@/postgres?host={place}"
    finally:
        as_postgres("pg_ctl", "-D", place / "data", "-m", "immediate", "stop")
        shutil.rmtree(place, ignore_errors=True)
