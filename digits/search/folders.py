"""Folders of many runs: a cross-validation's, a study's; each belongs to its settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from digits.training import Run, lock, write_json

_SETTINGS = "settings.json"


def find_or_claim(runs_dir: Path, name: str, settings: dict[str, Any], result: str | None = None) -> Path:
    """The newest ``<runs_dir>/<name>/version_<n>/`` of these settings, or a new one; no other settings ever get it.

    A folder that holds the file ``result`` is done with, and the same settings get a new one. Processes that ask at
    once get the same.
    """
    parent = runs_dir / name
    parent.mkdir(parents=True, exist_ok=True)
    with lock(parent, wait=True):
        for run in Run.all_in(runs_dir, name):
            known = run.folder / _SETTINGS
            is_done = result is not None and (run.folder / result).exists()
            if known.exists() and not is_done and json.loads(known.read_text()) == settings:
                return run.folder
        folder = Run.claim(runs_dir, name).folder
        write_json(folder / _SETTINGS, settings)
        return folder
