import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_a_run_that_is_killed_twice_ends_as_one_left_in_peace():
    command = [sys.executable, ROOT / "scripts" / "torture.py", "--kills", "2", "--epochs", "30"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "checkpoints after a kill: 2 of 2 identical" in result.stdout
    assert result.stdout.strip().endswith("identical")
