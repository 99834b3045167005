"""Where a study lives: a journal file, on a disk that all machines see, or a database."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from digits.errors import UserError, did_you_mean

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=ExperimentalWarning)  # Optuna's word for parts that are years old
SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("median", "none")
_FIRST_UNPRUNED = 5
"""So many trials run to their end before any is compared with them."""


LOST = "the study can be neither read nor written"


class StudyLostError(UserError):
    """A study's database does not answer, or has no room."""


class _MendingLock(JournalFileSymlinkLock):
    """Optuna's lock on its journal, whose holder finds whole records only.

    A process that dies while writing, or a full disk, leaves half a record at the end. Optuna would write the next one
    behind it on the same line, and never read the journal again. Half a record counts for nobody, and is cut off.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def acquire(self) -> bool:
        super().acquire()
        try:
            with self._path.open("r+b") as file:
                content_end = file.seek(0, os.SEEK_END)
                file.seek(max(0, content_end - 1))
                if file.read(1) not in (b"", b"\n"):
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
        except BaseException:
            self.release()
            raise
        return True


def open_storage(place: str) -> BaseStorage:
    """The journal file at a path, or the database of a URL; raises UserError where it cannot be had."""
    if "://" not in place:
        path = Path(place)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(place, _MendingLock(path)))
        except OSError as error:
            raise UserError(f"cannot keep the study in {path}: {error.strerror}; give another --storage") from None
        except ValueError as error:
            raise UserError(f"the study in {path} is damaged ({error}); give another --storage") from None
    kind = place.partition("://")[0]
    if kind == "postgresql":  # whose usual driver is not the one that comes with the extra
        place = place.replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        return RDBStorage(place, engine_kwargs={"pool_pre_ping": True})
    except ImportError as error:
        raise UserError(f"a {kind} storage needs its driver, {error.name or error}: pip install it") from None
    except (ArgumentError, SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"the {kind} storage cannot be opened: {reason}; check the URL of --storage") from None


@contextmanager
def study_in_reach(place: str) -> Iterator[None]:
    """Raise StudyLostError where a database cannot be read or written, as on a full disk."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        reason = str(cause).splitlines()[0]
        kind = place.partition("://")[0]
        raise StudyLostError(f"{LOST} in {kind}: {reason}; mend that, then the same command goes on") from None


def sampler_named(name: str, seed: int) -> BaseSampler:
    """Optuna's sampler; ``grid`` puts its points into the queue itself, and what it leaves open is random."""
    if name not in SAMPLERS:
        raise UserError(f"unknown sampler {name!r}; {did_you_mean(name, SAMPLERS)}")
    if name == "tpe":
        # Trials that run count as bad ones, so that several processes do not all try the same place.
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
    return RandomSampler(seed=seed)


def pruner_named(name: str) -> BasePruner:
    """Optuna's pruner; the median of the others at the same epoch is what a trial has to reach."""
    if name not in PRUNERS:
        raise UserError(f"unknown pruner {name!r}; {did_you_mean(name, PRUNERS)}")
    return NopPruner() if name == "none" else MedianPruner(n_startup_trials=_FIRST_UNPRUNED, n_warmup_steps=1)
