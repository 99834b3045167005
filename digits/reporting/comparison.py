"""The page that puts runs side by side."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import torch
from scipy.stats import binomtest
from torch import Tensor

from digits.errors import UserError
from digits.evaluation import accuracies_figure, differences_figure, validation_figure
from digits.reporting.page import folder_for, render
from digits.reporting.pictures import save_picture
from digits.reporting.report import facts, headline
from digits.reporting.run import JudgedRun, read_run
from digits.training import Run, flatten

_CAPTIONS = {
    "accuracies": "Accuracy of each run, with 95 % intervals (Wilson's).",
    "validation": "Accuracy on the validation images while training.",
    "differences": "The images on which they disagree.",
}


def compare_runs(finished: list[Run], target: Path) -> Path:
    """Write ``<target>/index.html`` and its pictures; returns the page.

    Raises UserError where files are missing, or where the runs are not judged by the same images.
    """
    runs = [read_run(run) for run in finished]
    first = runs[0]
    for run in runs[1:]:
        if run.split != first.split or run.metrics["data"]["fingerprint"] != first.metrics["data"]["fingerprint"]:
            raise UserError(
                f"{first.name} and {run.name} are judged by different images; compare runs on the same data"
            )
        if not torch.equal(run.predictions.indices, first.predictions.indices):
            raise UserError(f"{first.name} and {run.name} validate on different images; compare runs of the same split")
        if run.predictions.class_names != first.predictions.class_names:
            raise UserError(
                f"{first.name} and {run.name} tell different classes apart; compare runs of the same alphabet"
            )
    names = [run.name for run in runs]
    answers = [run.predictions.logits.argmax(dim=1) for run in runs]
    labels = first.predictions.labels
    figures = {
        "accuracies": accuracies_figure(names, [run.predictions for run in runs]),
        "validation": validation_figure(names, [run.epochs for run in runs]),
        "differences": differences_figure(
            first.images[first.predictions.indices], labels, answers, names, first.predictions.class_names
        ),
    }
    page = target / "index.html"
    with folder_for(target):
        render(
            page,
            "comparison.html",
            title=" · ".join(names),
            names=names,
            headlines=_by_row([headline(run) for run in runs]),
            facts=_by_row([facts(run) for run in runs]),
            settings=_differing_settings(runs),
            tests=[
                paired_test(names[a], names[b], answers[a], answers[b], labels)
                for a, b in combinations(range(len(runs)), 2)
            ],
            pictures=[save_picture(figures[name], target, name, caption) for name, caption in _CAPTIONS.items()],
        )
    return page


def paired_test(first: str, second: str, answers: Tensor, others: Tensor, labels: Tensor) -> dict[str, str]:
    """McNemar's exact test (1947) of two runs' ``(N,)`` answers to the same images, in words."""
    only_first = int(((answers == labels) & (others != labels)).sum())
    only_second = int(((answers != labels) & (others == labels)).sum())
    decided = only_first + only_second
    p = binomtest(only_first, decided).pvalue if decided else 1.0
    return {
        "runs": f"{first} and {second}",
        "only the first is right": str(only_first),
        "only the second is right": str(only_second),
        "p": f"{p:.3g}",
        "so": f"{first if only_first > only_second else second} reads better"
        if p < 0.05
        else "the difference may be chance",
    }


def _by_row(columns: list[dict[str, str]]) -> dict[str, list[str]]:
    return {name: [column.get(name, "") for column in columns] for name in columns[0]}


def _differing_settings(runs: list[JudgedRun]) -> dict[str, list[str]]:
    """The keys of the configurations that are not the same in all runs."""
    flat = [flatten(run.metrics["config"]) for run in runs]
    keys = sorted({key for config in flat for key in config})
    rows = {key: [str(config.get(key, "–")) for config in flat] for key in keys}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}
