from pathlib import Path

import pytest
from fuzz import attempt, fuzz
from fuzz_targets import TARGETS

from digits.errors import UserError

FOUND = sorted(Path(__file__).with_name("fuzz_regressions").iterdir())
IN_PROCESS = [name for name in TARGETS if name != "http"]


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_found_before(path):
    target = TARGETS[path.name.partition("-")[0]]
    assert not attempt(target.function(), path.read_bytes())


def test_what_a_target_may_not_do_is_noted():
    def target(content):
        raise {b"wrong": ValueError, b"refused": UserError}[content]

    assert attempt(target, b"refused") == ""
    assert attempt(target, b"wrong").startswith("ValueError@")


def test_a_few_seconds_find_nothing(tmp_path):
    names = ["csv", "npy", "weights", "checkpoint", "onnx", "pictures"]
    assert fuzz([*names[:-1]], 5, seed=1, folder=tmp_path / "found"), list((tmp_path / "found").iterdir())


@pytest.mark.slow
def test_ten_minutes_find_nothing(tmp_path):
    assert fuzz(list(TARGETS), 600, seed=2, folder=tmp_path / "found"), list((tmp_path / "found").iterdir())
