"""Where runs lie on disk: ``<runs_dir>/<experiment>/version_<n>/``, and how their checkpoints are found."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from digits.data import DigitsDataModule
from digits.errors import UserError, did_you_mean
from digits.models import read_checkpoint

_ALIASES = ("best", "last")


def claim_run(runs_dir: Path, experiment: str) -> Path:
    """Make the folder of a new run; no two processes ever get the same one."""
    parent = runs_dir / experiment
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            run = parent / f"version_{max(_versions(parent), default=-1) + 1}"
            try:
                run.mkdir()
                return run
            except FileExistsError:
                continue
    except OSError as error:
        raise UserError(f"cannot make a folder for the run in {parent}: {error.strerror}; set --runs_dir") from None


def _versions(parent: Path) -> list[int]:
    matches = (re.fullmatch(r"version_(\d+)", path.name) for path in parent.iterdir())
    return [int(match[1]) for match in matches if match]


def find_checkpoint(name: str, runs_dir: Path, experiment: str | None) -> Path:
    """The file that ``--ckpt_path`` means: a path, or ``best`` or ``last`` of the newest run.

    The newest run is that of ``experiment`` where one is named, else of all. Raises UserError where there is none.
    """
    if name not in _ALIASES:
        path = Path(name)
        if not path.is_file():
            raise UserError(f"the checkpoint {path} does not exist; give a file, or one of {', '.join(_ALIASES)}")
        return path
    if experiment is not None and runs_dir.is_dir() and not (runs_dir / experiment).is_dir():
        known = [path.name for path in runs_dir.iterdir() if path.is_dir()]
        hint = f"; {did_you_mean(experiment, known)}" if known else ""
        raise UserError(f"the experiment {experiment!r} has no runs in {runs_dir}{hint}")
    # A run that was killed before its first last.ckpt was whole may have another; open_checkpoint takes that.
    files = "*.ckpt" if name == "last" else f"{name}.ckpt"
    found = runs_dir.glob(f"{experiment or '*'}/version_*/checkpoints/{files}")
    newest = max(found, key=lambda path: (path.stat().st_mtime_ns, str(path)), default=None)
    if newest is None:
        raise UserError(f"no run in {runs_dir / (experiment or '')} has a {name}.ckpt yet; train one with `fit` first")
    return newest.with_name(f"{name}.ckpt")


def open_checkpoint(name: str, runs_dir: Path, experiment: str | None) -> tuple[Path, dict[str, Any]]:
    """Find and read what ``--ckpt_path`` means.

    Where ``last`` is damaged, the newest good checkpoint of the same run is taken instead, with a warning that names
    the damaged one. Raises UserError where there is none.
    """
    path = find_checkpoint(name, runs_dir, experiment)
    if name != "last":
        return path, read_checkpoint(path)
    last_then_newest = sorted(path.parent.glob("*.ckpt"), key=lambda file: (file != path, -file.stat().st_mtime_ns))
    for candidate in last_then_newest:
        try:
            return candidate, read_checkpoint(candidate)
        except UserError as error:
            warnings.warn(f"{error}; looking for an older one", stacklevel=2)
    raise UserError(f"no checkpoint in {path.parent} can be used; start anew without --ckpt_path")


def run_of(checkpoint: Path) -> Path | None:
    """The folder of the run that a checkpoint lies in, or None for a checkpoint on its own."""
    folder = checkpoint.resolve().parent
    return folder.parent if folder.name == "checkpoints" and (folder.parent / "config.yaml").is_file() else None


def tested_checkpoint(run: Path) -> Path:
    """The checkpoint that a run's figures are of: ``best.ckpt``, or ``last.ckpt`` of a run without validation."""
    best = run / "checkpoints" / "best.ckpt"
    return best if best.exists() else best.with_name("last.ckpt")


def data_of(metrics: dict[str, Any]) -> DigitsDataModule:
    """The data that a run was trained on, as its metrics.json names them, for looking at what it answers.

    Raises UserError where the data here are others, or where a data module that is not ours brought them.
    """
    if "class_path" in metrics["config"]["data"]:
        raise UserError(
            f"the run's data came from {metrics['data']['source']}, and only the digits' own data module tells what is "
            "needed to look at answers again"
        )
    settings = metrics["config"]["data"] | {"augmentation": None, "offline_source": None}
    data = DigitsDataModule(**(settings | {"source": metrics["data"]["source"]}))
    if data.digits.fingerprint != metrics["data"]["fingerprint"]:
        raise UserError(
            f"the run's data are other than those in {data.data_dir}; set DIGITS_DATA_DIR to where they are"
        )
    return data
