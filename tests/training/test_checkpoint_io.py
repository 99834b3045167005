"""Real faults: torn files, a full disk, a folder without write permission, a process killed at the worst moment."""

import signal
import subprocess
import sys

import pytest
import torch

from digits.errors import UserError
from digits.models import read_verified
from digits.training.checkpoint_io import AtomicCheckpointIO

CHECKPOINT = {"digits_config": {"seed_everything": 0}, "state_dict": {"weight": torch.arange(100.0)}}


@pytest.fixture
def saved(tmp_path):
    AtomicCheckpointIO().save_checkpoint(CHECKPOINT, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def test_what_is_read_is_what_was_saved(saved):
    loaded = AtomicCheckpointIO().load_checkpoint(saved)
    assert loaded["digits_config"] == CHECKPOINT["digits_config"]
    assert torch.equal(loaded["state_dict"]["weight"], CHECKPOINT["state_dict"]["weight"])
    assert [path.name for path in saved.parent.iterdir()] == ["last.ckpt"]


def test_truncated_at_every_tenth_byte(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), 10):
        saved.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"last\.ckpt is damaged"):
            read_verified(saved)


def test_one_altered_weight(saved):
    content = bytearray(saved.read_bytes())
    place = content.index(torch.tensor([42.0, 43.0]).numpy().tobytes())
    content[place] ^= 1
    saved.write_bytes(content)
    assert torch.load(saved, weights_only=True)["state_dict"]["weight"][42] != 42, "torch alone does not notice"
    with pytest.raises(UserError, match=r"last\.ckpt is damaged"):
        read_verified(saved)


def test_loading_runs_no_code(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "broken-in"), "w"))

    torch.save({"digits_config": {}, "x": Payload()}, tmp_path / "evil.ckpt")
    with pytest.raises(UserError):
        read_verified(tmp_path / "evil.ckpt")
    assert not (tmp_path / "broken-in").exists()


def test_killed_between_temporary_file_and_rename(saved):
    before = saved.read_bytes()
    program = (
        "import os, pathlib, signal, torch\n"
        "from digits.training.checkpoint_io import AtomicCheckpointIO\n"
        "pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"AtomicCheckpointIO().save_checkpoint({{'x': torch.rand(9)}}, {str(saved)!r})\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert saved.read_bytes() == before
    assert saved.with_name("last.ckpt.part").exists()
    AtomicCheckpointIO().save_checkpoint(CHECKPOINT, saved)
    assert [path.name for path in saved.parent.iterdir()] == ["last.ckpt"]


def test_a_disk_that_fills_up_leaves_the_former_checkpoint(disk):
    """The checkpoint (1.3 MB) fits twice, not three times; TensorBoard may be refused first."""
    (disk / "other-files").write_bytes(bytes(300_000))
    command = [sys.executable, "-m", "digits", "fit", "--model", "MLP", "--data.source", "uci", "--runs_dir", disk]
    result = subprocess.run([*command, "--trainer.max_epochs", "200"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "No space left on device. Training has stopped; the checkpoint before it is intact." in result.stderr
    assert "Traceback" not in result.stderr
    folder = disk / "mlp/version_0/checkpoints"
    assert not list(folder.glob("*.part"))
    kept = [read_verified(path) for path in folder.glob("*.ckpt")]
    assert kept
    assert all(1 <= checkpoint["epoch"] < 200 for checkpoint in kept)


def test_a_folder_without_write_permission(disk):
    path = disk / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(CHECKPOINT, path)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(UserError, match="Read-only file system"):
        AtomicCheckpointIO().save_checkpoint({"x": 1}, path)
    assert read_verified(path)["digits_config"] == CHECKPOINT["digits_config"]


@pytest.mark.parametrize("damage", ["truncated", "foreign"])
def test_a_damaged_last_is_named_and_the_newest_good_one_used(fit, digits, damage):
    run = fit("--trainer.max_epochs", "2")
    last = run / "checkpoints" / "last.ckpt"
    if damage == "truncated":
        last.write_bytes(last.read_bytes()[:-1000])
    else:
        torch.save({"epoch": 7}, last)
    with pytest.warns(UserWarning, match=r"last\.ckpt is .*; looking for an older one"):
        status, output, errors = digits("fit", "--ckpt_path", "last", "--trainer.max_epochs", "3")
    assert status == 0, errors
    assert output.strip().endswith(str(run))
    assert read_verified(last)["epoch"] == 3


def test_no_good_checkpoint_at_all(fit, digits):
    run = fit()
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(b"")
    with pytest.warns(UserWarning, match="is damaged"):
        status, _, errors = digits("fit", "--ckpt_path", "last")
    assert status == 2
    assert "no checkpoint in" in errors
    assert "can be used; start anew without --ckpt_path" in errors
