"""Trials of a sweep: each a run, or a cross-validation, with the values that the study chose."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from optuna import Trial

from digits.errors import Interrupted, UserError
from digits.search.crossval import FIT_OPTIONS, run_fold
from digits.search.launcher import Launcher, NoRoomError, RunKilledError
from digits.search.sweeps.space import flags
from digits.search.sweeps.storage import LOST, StudyLostError
from digits.search.sweeps.study import Turns, number_of, stored
from digits.search.sweeps.trial_report import PRUNED, TRIAL
from digits.training import InUseError


@dataclass(frozen=True)
class Sweep:
    """What all trials have in common: fit's arguments, where runs go, and how the study is reached from them."""

    arguments: list[str]
    folder: Path
    storage: str
    study: str
    pruner: str
    folds: int | None

    def environment(self, trial: Trial) -> dict[str, str]:
        """What lets a run report to its trial."""
        place = {"storage": self.storage, "study": self.study, "pruner": self.pruner, "trial": trial._trial_id}
        return {TRIAL: json.dumps(place)}


def work(sweep: Sweep, turns: Turns, launcher: Launcher, said: Callable[[str], None]) -> None:
    """Take trial after trial until none is left; each job of a sweep is one thread in here."""
    while (taken := turns.take(lambda: launcher.is_stopping)) is not None:
        trial, chosen = taken
        number = number_of(stored(trial))
        arguments = [*sweep.arguments, *flags(chosen)]
        try:
            train = _train if sweep.folds is None else _cross_validate
            accuracy, is_pruned = train(sweep, trial, f"trial-{number:04}", arguments, launcher)
        except (Interrupted, InUseError):
            turns.give_back(trial)
            raise
        except NoRoomError:
            with suppress(OSError):  # where the study has no room either, the trial is given back as that of the dead
                turns.give_back(trial)
            raise
        except RunKilledError as error:
            turns.put_off(trial)
            said(f"trial {number}: put off, the same command tries it again: {error}")
            continue
        except UserError as error:
            if LOST in str(error):  # which the run has said
                raise StudyLostError(str(error)) from None  # and the trial is given back as that of the dead
            turns.fail(trial, str(error))
            said(f"trial {number}: failed: {error}")
            continue
        turns.finish(trial, accuracy, pruned=is_pruned)
        values = ", ".join(f"{key.rpartition('.')[2]} {_short(value)}" for key, value in chosen.items())
        said(f"trial {number}: {100 * accuracy:.2f} %{', pruned' if is_pruned else ''} · {values}")


def _train(sweep: Sweep, trial: Trial, experiment: str, arguments: list[str], launcher: Launcher) -> tuple[float, bool]:
    """Validation accuracy of one run, and whether it was ended early."""
    options = [*arguments, *FIT_OPTIONS, "--trainer.callbacks+=digits.search.sweeps.ReportToTrial"]
    run = launcher.fit(sweep.folder, experiment, options, **sweep.environment(trial))
    return run.figures["val/accuracy"], PRUNED in stored(trial).user_attrs


def _cross_validate(
    sweep: Sweep, trial: Trial, experiment: str, arguments: list[str], launcher: Launcher
) -> tuple[float, bool]:
    """Mean validation accuracy of the folds, and whether the last ones were spared."""
    assert sweep.folds is not None
    accuracies: list[float] = []
    for number in range(sweep.folds):
        name = f"{experiment}-fold-{number}"
        accuracies.append(run_fold(sweep.folder, name, arguments, number, sweep.folds, launcher).accuracy)
        trial.report(statistics.mean(accuracies), number)
        if number + 1 < sweep.folds and trial.should_prune():
            return statistics.mean(accuracies), True
    return statistics.mean(accuracies), False


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value.rpartition(".")[2] if isinstance(value, str) else json.dumps(value)
