from concurrent.futures import ThreadPoolExecutor

import pytest

from digits.errors import UserError
from digits.training import Run, find_checkpoint


def test_claims_are_exclusive(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: Run.claim(tmp_path, "cnn"), range(40)))
    assert sorted(run.folder.name for run in runs) == sorted(f"version_{number}" for number in range(40))


def test_claim_goes_on_after_the_highest(tmp_path):
    (tmp_path / "cnn" / "version_10").mkdir(parents=True)
    (tmp_path / "cnn" / "version_x").mkdir()
    assert Run.claim(tmp_path, "cnn").folder.name == "version_11"


def test_claim_where_no_folder_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make a folder for the run"):
        Run.claim(tmp_path / "file", "cnn")


def test_last_is_of_the_newest_run_that_has_one(tmp_path):
    import os

    for age, run in ((30, "cnn/version_0"), (10, "cnn/version_1"), (5, "mlp/version_0")):
        path = tmp_path / run / "checkpoints" / "last.ckpt"
        path.parent.mkdir(parents=True)
        path.write_text("")
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    (tmp_path / "cnn/version_2/checkpoints").mkdir(parents=True)
    assert find_checkpoint("last", tmp_path, "cnn") == tmp_path / "cnn/version_1/checkpoints/last.ckpt"
    assert find_checkpoint("last", tmp_path, None) == tmp_path / "mlp/version_0/checkpoints/last.ckpt"
    with pytest.raises(UserError, match=r"no run in .*cnn has a best\.ckpt yet"):
        find_checkpoint("best", tmp_path, "cnn")
