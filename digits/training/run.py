"""A run's folder, ``<runs_dir>/<experiment>/version_<n>/``, and what lies in it."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from digits.data import DigitsDataModule, is_known_source
from digits.errors import UserError
from digits.models import DigitClassifier, load_model
from digits.training.lock import lock

_VERSION = re.compile(r"version_(\d+)")


@dataclass(frozen=True)
class Run:
    """One training, finished or not: where its files are, and what they hold.

    Args:
        folder: ``<runs_dir>/<experiment>/version_<n>``.

    """

    folder: Path

    @classmethod
    def claim(cls, runs_dir: Path, experiment: str) -> Run:
        """Make the folder of a new run; no two processes ever get the same one."""
        parent = runs_dir / experiment
        try:
            parent.mkdir(parents=True, exist_ok=True)
            while True:
                versions = (_VERSION.fullmatch(path.name) for path in parent.iterdir())
                highest = max((int(version[1]) for version in versions if version), default=-1)
                run = cls(parent / f"version_{highest + 1}")
                try:
                    run.folder.mkdir()
                    return run
                except FileExistsError:
                    continue
        except OSError as error:
            raise UserError(f"cannot make a folder for the run in {parent}: {error.strerror}; set --runs_dir") from None

    @classmethod
    def of(cls, checkpoint: Path) -> Run | None:
        """The run that a checkpoint lies in, or None for a checkpoint on its own."""
        folder = checkpoint.resolve().parent
        run = cls(folder.parent)
        return run if folder == run.checkpoints and run.config_file.is_file() else None

    @classmethod
    def all_in(cls, runs_dir: Path, experiment: str | None = None) -> list[Run]:
        """The runs of an experiment, or of all in ``runs_dir``, from the newest to the oldest.

        Folds and trials, which lie within another's version, are runs of experiments in that.
        """
        if experiment is None:
            return _newest_first(_versions_below(runs_dir))
        return _newest_first(_versions_in(runs_dir / experiment))

    @classmethod
    def finished(cls, folder: Path) -> Run:
        """The finished run in ``folder``, or the newest one of the experiment whose folder it is; raises UserError."""
        if not folder.is_dir():
            raise UserError(f"{folder} does not exist; give the folder of a run, like runs/cnn/version_0")
        run = next((run for run in [cls(folder), *_newest_first(_versions_in(folder))] if run.is_finished), None)
        if run is None:
            raise UserError(
                f"{folder} holds no finished run, which has a metrics.json; finish one with `fit --ckpt_path last`"
            )
        return cls(run.folder.resolve())

    @property
    def name(self) -> str:
        """The experiment and the version, like "cnn 0"."""
        return f"{self.folder.parent.name} {self.folder.name.removeprefix('version_')}"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        """The checkpoint of the best validation."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """The checkpoint that a resume goes on from."""
        return self.checkpoints / "last.ckpt"

    @property
    def tested(self) -> Path:
        """The checkpoint that the figures are of: the best, or the last of a run without validation."""
        return self.best if self.best.exists() else self.last

    @property
    def config_file(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def figures_file(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def curves_file(self) -> Path:
        return self.folder / "metrics.csv"

    @property
    def predictions_file(self) -> Path:
        return self.folder / "predictions.csv"

    @property
    def submission_file(self) -> Path:
        return self.folder / "submission.csv"

    @property
    def is_finished(self) -> bool:
        return self.figures_file.is_file()

    @property
    def config(self) -> dict[str, Any]:
        """Every setting, as resolved."""
        content: dict[str, Any] = yaml.safe_load(self.config_file.read_text())
        return content

    @property
    def figures(self) -> dict[str, Any]:
        """What a finished run came to, and what it takes to get that again."""
        content: dict[str, Any] = json.loads(self.figures_file.read_text())
        return content

    @property
    def curves(self) -> list[dict[str, float]]:
        """For each epoch its number, its last step and its figures."""
        return [{name: float(value) for name, value in row.items() if value} for row in _rows(self.curves_file)]

    @property
    def predictions(self) -> list[dict[str, str]]:
        """What the verb ``predict`` has written, a row an image."""
        return _rows(self.predictions_file)

    @property
    def resume_command(self) -> str:
        """The command line that goes on with the run."""
        return shlex.join(["python", "-m", "digits", "fit", "--ckpt_path", str(self.last)])

    def model(self) -> DigitClassifier:
        """The network of the tested checkpoint."""
        return load_model(self.tested)

    def data(self) -> DigitsDataModule:
        """The data that the run was trained on, undistorted.

        Raises UserError where those here are others, or where a data module that is not ours brought them.
        """
        figures = self.figures
        try:
            source, fingerprint = figures["data"]["source"], figures["data"].get("fingerprint")
            settings = figures["config"]["data"] | {"augmentation": None, "offline_source": None, "source": source}
            if "class_path" in settings:
                raise UserError(
                    f"the run's data came from {source}, and only the digits' own data module tells what is needed to "
                    "look at answers again"
                )
            if not is_known_source(source):
                raise UserError(
                    f"the run's data are {source!r}, which we do not know; if you trust it, --trust {source}"
                )
            data = DigitsDataModule(**settings)
        except (KeyError, TypeError) as error:
            raise UserError(f"{self.figures_file} does not describe the run's data ({error})") from None
        if data.digits.fingerprint != fingerprint:
            raise UserError(
                f"the run's data are other than those in {data.data_dir}; set DIGITS_DATA_DIR to where they are"
            )
        return data

    def discard_if_empty(self) -> None:
        """Remove the folder of a run that failed before its first checkpoint."""
        if not any((self.folder / name).exists() for name in ("checkpoints", "stopped.txt")):
            shutil.rmtree(self.folder, ignore_errors=True)

    def lock(self) -> AbstractContextManager[None]:
        """Be the only one who writes; raises InUseError naming who does."""
        return lock(self.folder)

    @property
    def _written_ns(self) -> int:
        """When a checkpoint was last written, else when the run began, in nanoseconds."""
        times = [path.stat().st_mtime_ns for path in self.checkpoints.glob("*.ckpt")]
        return max(times, default=0) or self.folder.stat().st_mtime_ns


def _newest_first(folders: Iterable[Path]) -> list[Run]:
    return sorted(map(Run, folders), key=lambda run: (run._written_ns, str(run.folder)), reverse=True)


def _versions_in(experiment: Path) -> list[Path]:
    if not experiment.is_dir():
        return []
    return [path for path in experiment.iterdir() if _VERSION.fullmatch(path.name) and path.is_dir()]


def _versions_below(folder: Path) -> Iterator[Path]:
    """The versions of all experiments, whose names may hold "/"; what lies within a version is not looked at."""
    for place, names, _ in os.walk(folder):
        yield from (Path(place, name) for name in names if _VERSION.fullmatch(name))
        names[:] = [name for name in names if not _VERSION.fullmatch(name) and not name.startswith(".")]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
