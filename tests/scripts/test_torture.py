import random
import subprocess
import sys

import pytest
import torch

from scripts.torture import differences, draw
from tests.conftest import ROOT


def test_what_differs_is_named():
    one = {"weights": torch.ones(2), "metrics.csv": [["1"]], "best.step": 3}
    assert differences(one, {**one, "weights": torch.ones(2)}) == []
    assert differences(one, {**one, "weights": torch.tensor([1.0, 1.0001])}) == ["weights"]
    assert differences(one, {"weights": torch.ones(2), "best.step": 4}) == ["best.step", "metrics.csv"]


def test_settings_are_drawn_by_a_seed():
    drawn = {tuple(draw(random.Random(seed))) for seed in range(20)}
    assert len(drawn) > 15
    assert draw(random.Random(3)) == draw(random.Random(3))


@pytest.mark.slow
def test_a_run_that_is_killed_twice_ends_as_one_left_in_peace():
    command = [sys.executable, ROOT / "scripts" / "torture.py", "--kills", "2"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 kills of" in result.stdout
