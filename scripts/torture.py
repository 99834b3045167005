"""Kill a real training run again and again; it must end exactly as one that was left in peace.

    python scripts/torture.py --kills 50

An undisturbed run notes the SHA-256 of its weights after every step. Then the same run is started, killed with SIGKILL
at a random moment (before training, between batches, while a checkpoint is being written), resumed, killed again …
After each kill the weights in ``last.ckpt`` must be those that the undisturbed run had at that step, and at the end the
final weights must be its final weights. Exit status 0 if all are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

_NOTES = "DIGITS_TORTURE_NOTES"


def weights_digest(weights: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names and bytes of all weights."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class StepNotes(Callback):
    """Appends "step digest" to a file after every step; a line is written whole or not at all."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        line = f"{trainer.global_step} {weights_digest(pl_module.state_dict())}\n"
        with Path(os.environ[_NOTES]).open("a") as file:
            file.write(line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="how often to kill the run")
    parser.add_argument("--epochs", type=int, default=0, help="length of the run; by default long enough for the kills")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    epochs = options.epochs or 4 * options.kills
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        undisturbed, steps = _run_undisturbed(folder, epochs)
        print(f"undisturbed: {max(steps):,} steps, weights {undisturbed[:16]}", flush=True)
        kills, identical, lost, during_write = _torture(folder, epochs, options.kills, chance, steps)
        final = _final_digest(folder / "killed")
    print(f"kills {kills} ({during_write} while a checkpoint was being written), resumes {kills}, lost steps {lost:,}")
    print(f"checkpoints after a kill: {identical} of {kills} identical")
    print(f"final weights {final[:16]}: {'identical' if final == undisturbed else 'DIFFERENT'}")
    return 0 if identical == kills == options.kills and final == undisturbed else 1


def _command(runs: Path, epochs: int, resume: bool) -> list[str]:
    if resume:
        return [sys.executable, "-m", "digits", "fit", "--runs_dir", str(runs), "--ckpt_path", "last"]
    return [
        *(sys.executable, "-m", "digits", "fit", "--model", "MLP", "--data.source", "uci"),
        *("--data.augmentation", "digits.data.RandomAffine", "--model.dropout", "0.1", "--data.batch_size", "64"),
        *("--checkpoint_every_n_steps", "5", "--trainer.max_epochs", str(epochs), "--runs_dir", str(runs)),
        *("--trainer.check_val_every_n_epoch", "10", "--trainer.enable_model_summary", "false", "--report", "false"),
        *("--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.decay=0.99"),
        "--trainer.callbacks+=scripts.torture.StepNotes",
    ]


def _environment(notes: Path) -> dict[str, str]:
    root = str(Path(__file__).parents[1])
    return {**os.environ, _NOTES: str(notes), "PYTHONPATH": root, "PYTHONHASHSEED": str(random.randrange(1000))}


def _run_undisturbed(folder: Path, epochs: int) -> tuple[str, dict[int, str]]:
    runs, notes = folder / "undisturbed", folder / "undisturbed.txt"
    subprocess.run(_command(runs, epochs, False), env=_environment(notes), check=True, stdout=subprocess.DEVNULL)
    return _final_digest(runs), dict(_read_notes(notes))


def _torture(
    folder: Path, epochs: int, wanted: int, chance: random.Random, steps: dict[int, str]
) -> tuple[int, int, int, int]:
    runs, notes = folder / "killed", folder / "killed.txt"
    kills = identical = lost = during_write = 0
    while True:
        resume = any(runs.rglob("*.ckpt"))
        process = subprocess.Popen(_command(runs, epochs, resume), env=_environment(notes), stdout=subprocess.DEVNULL)
        if kills == wanted:
            assert process.wait() == 0
            return kills, identical, lost, during_write
        wrote = _wait_for_a_bad_moment(process, runs, notes, chance)
        if process.poll() is not None:
            assert process.returncode == 0, "the run failed by itself"
            return kills, identical, lost, during_write  # it was too short for the kills asked for
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        during_write += wrote
        saved, digest = _saved(runs)
        reached = max((step for step, _ in _read_notes(notes)), default=saved)  # killed before its first step: at saved
        lost += reached - saved
        notes.unlink(missing_ok=True)
        same = saved == 0 or steps[saved] == digest
        identical += same
        print(json.dumps({"kill": kills, "at step": reached, "saved": saved, "identical": same}), flush=True)


def _wait_for_a_bad_moment(process: subprocess.Popen[bytes], runs: Path, notes: Path, chance: random.Random) -> bool:
    """Wait until it is time to kill; whether a checkpoint is being written just then."""
    kind = chance.choices(["starting", "training", "writing"], [1, 4, 5])[0]
    if kind == "starting":
        time.sleep(chance.uniform(0, 6))
        return False
    while not notes.exists() and process.poll() is None:
        time.sleep(0.01)
    end = time.monotonic() + chance.uniform(0, 1)
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.005)
    while kind == "writing" and process.poll() is None:
        if any(runs.glob("*/*/checkpoints/*.part")):
            return True
    return False


def _read_notes(notes: Path) -> list[tuple[int, str]]:
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [(int(step), digest) for step, _, digest in (line.partition(" ") for line in lines) if len(digest) == 64]


def _saved(runs: Path) -> tuple[int, str]:
    """The step and the weights that a resume would start from."""
    path = next(runs.glob("*/*/checkpoints/last.ckpt"), None)
    if path is None:
        return 0, ""
    checkpoint = torch.load(path, weights_only=True)
    return checkpoint["global_step"], weights_digest(checkpoint.get("current_model_state", checkpoint["state_dict"]))


def _final_digest(runs: Path) -> str:
    path = next(runs.glob("*/*/checkpoints/last.ckpt"))
    return weights_digest(torch.load(path, weights_only=True)["state_dict"])


if __name__ == "__main__":
    sys.exit(main())
