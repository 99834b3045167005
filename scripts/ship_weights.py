"""Make the weights that come with the package: train the champion, and keep its network with what there is to know.

    python scripts/ship_weights.py                                    trains configs/champion.yaml with seed 1 first
    python scripts/ship_weights.py --checkpoint runs/…/best.ckpt      takes a finished run of it

The seed is fixed beforehand, so that nothing is chosen by a test figure.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from digits.models import load_model, save_portable
from digits.recognition import WEIGHTS
from digits.training import Run

_SEED = 1
_COMMAND = ["fit", "--config", "configs/champion.yaml", "--seed_everything", str(_SEED), "--report", "false"]
_KEPT = ("seed", "data", "commit", "versions", "hardware", "config")


def ship(checkpoint: Path, target: Path) -> None:
    """Write the network of a finished run to ``target``, and what the run's metrics.json says beside it."""
    run = Run.of(checkpoint)
    assert run is not None
    metrics = run.figures
    figures = {name: value for name, value in metrics.items() if isinstance(value, int | float) and name not in _KEPT}
    about = {key: metrics[key] for key in _KEPT}
    assert about["seed"] == _SEED
    save_portable(load_model(checkpoint), target, {"command": " ".join(_COMMAND), "figures": figures, **about})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    options = parser.parse_args()
    if options.checkpoint:
        ship(options.checkpoint, WEIGHTS)
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "digits", *_COMMAND, "--runs_dir", folder], check=True)
        (run,) = Run.all_in(Path(folder))
        ship(run.best, WEIGHTS)


if __name__ == "__main__":
    main()
