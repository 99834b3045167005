"""What a sweep has found, in files."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import yaml
from matplotlib.figure import Figure
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Figure as Page

from digits.evaluation import horizontal_bars_figure, parallel_figure, search_history_figure
from digits.replacing import replacing
from digits.search.sweeps.study import FAILED, counted, number_of

_FEWEST_TO_EXPLAIN = 5


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The complete trial of the highest validation accuracy, the first of equals."""
    complete = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    return max(complete, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)


def write_best(path: Path, config: dict[str, Any], accuracy: float, command: str) -> None:
    """Write the best trial's configuration as a YAML that ``fit`` takes as it is."""
    header = (
        f"# The best of a sweep: it reads {100 * accuracy:.2f} % of the validation images, a figure that flatters\n"
        "# what it chose. What it is worth, the test images say once:\n#\n"
        f"#   python -m digits fit --config {path}\n#\n# Found by: {command}\n"
    )
    with replacing(path) as file:
        file.write(header + yaml.safe_dump(config, sort_keys=False))


def write_table(path: Path, study: optuna.Study) -> list[dict[str, Any]]:
    """Write trials.csv, the best first: number, state, validation accuracy, seconds, values; return its rows."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if counted(trial)]
    rows = [_row(trial) for trial in sorted(trials, key=lambda trial: (-accuracy_of(trial), trial.number))]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with replacing(path) as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return rows


def _row(trial: FrozenTrial) -> dict[str, Any]:
    seconds = trial.duration.total_seconds() if trial.duration else None
    outcome = trial.user_attrs.get(FAILED, trial.state.name.lower())
    row = {"trial": number_of(trial), "state": outcome, "val/accuracy": accuracy_of(trial), "seconds": seconds}
    return row | trial.params


def accuracy_of(trial: FrozenTrial) -> float:
    """Validation accuracy; of a pruned trial the latest, of a failed one none at all."""
    if trial.value is not None and trial.state == TrialState.COMPLETE:
        return trial.value
    return max(trial.intermediate_values.values(), default=0.0)


def write_plots(folder: Path, study: optuna.Study) -> None:
    """Write history, importances and parallel coordinates, as pages to point at and as pictures."""
    complete = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    others = [trial for trial in study.get_trials(deepcopy=False) if counted(trial) and trial not in complete]
    explained = _importances(study)
    figures: dict[str, Figure] = {
        "history": search_history_figure(
            [(number_of(trial), accuracy_of(trial)) for trial in complete],
            [(number_of(trial), accuracy_of(trial)) for trial in others if trial.intermediate_values],
        ),
        "parallel_coordinates": parallel_figure([trial.params for trial in complete], [t.value or 0 for t in complete]),
    }
    pages: dict[str, Callable[[optuna.Study], Page]] = {
        "history": optuna.visualization.plot_optimization_history,
        "parallel_coordinates": optuna.visualization.plot_parallel_coordinate,
    }
    if explained:
        figures["importances"] = horizontal_bars_figure(
            "Which settings made the difference", "share of the variance of accuracy (fANOVA)", explained
        )
        evaluator = FanovaImportanceEvaluator(seed=0)
        pages["importances"] = partial(optuna.visualization.plot_param_importances, evaluator=evaluator)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
    with warnings.catch_warnings(action="ignore"):  # of experimental features
        for name, draw in pages.items():
            draw(study).write_html(folder / f"{name}.html", include_plotlyjs=True)


def _importances(study: optuna.Study) -> dict[str, float]:
    """How much of the differences in accuracy each parameter explains (fANOVA, Hutter et al. 2014), where it can."""
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < _FEWEST_TO_EXPLAIN:
        return {}
    try:
        return optuna.importance.get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    except (ValueError, RuntimeError):  # too few trials, all alike, or no parameter that every trial has
        return {}
