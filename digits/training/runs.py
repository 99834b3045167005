"""How the checkpoint that a name means is found and read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from digits.errors import UserError, did_you_mean
from digits.models import read_checkpoint
from digits.training.run import Run

_ALIASES = ("best", "last")


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
        known = {str(run.folder.parent.relative_to(runs_dir)) for run in Run.all_in(runs_dir)}
        hint = f"; {did_you_mean(experiment, known)}" if known else ""
        raise UserError(f"the experiment {experiment!r} has no runs in {runs_dir}{hint}")
    # A run that was killed before its first last.ckpt was whole may have another; open_checkpoint takes that.
    files = "*.ckpt" if name == "last" else f"{name}.ckpt"
    found = (run for run in Run.all_in(runs_dir, experiment) if any(run.checkpoints.glob(files)))
    newest = next(found, None)
    if newest is None:
        raise UserError(f"no run in {runs_dir / (experiment or '')} has a {name}.ckpt yet; train one with `fit` first")
    return newest.checkpoints / f"{name}.ckpt"


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
