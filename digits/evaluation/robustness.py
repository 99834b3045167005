"""How much of a recognizer's accuracy is left when digits are not as clean as MNIST's, and whether it knows."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from tqdm import tqdm

from digits.data import find_source
from digits.evaluation.corruptions import MNIST_C
from digits.evaluation.distortions import DISTORTIONS
from digits.evaluation.non_digits import non_digits
from digits.models import DigitClassifier, Predictions

_BATCH = 1000


@dataclass(frozen=True)
class Trial:
    """One set of images and how right each recognizer is on it; ``level`` is None where there is only one."""

    group: str
    name: str
    level: float | None
    figures: list[float]


def measure_robustness(models: list[DigitClassifier], data_dir: Path, count: int) -> list[Trial]:
    """Put every recognizer to every test, all on the same images; random draws are seeded."""
    source = find_source("mnist")
    source.prepare(data_dir)
    test = source.load(data_dir).test
    assert test is not None
    assert test.labels is not None
    images, labels = test.images[:count].float() / 255, test.labels[:count]
    clean = [_predict(model, images, labels) for model in models]
    figures = [predictions.figures() for predictions in clean]
    trials = [Trial("clean", "test images", None, [found["accuracy"] for found in figures])]
    trials += _trust(models, clean, figures, data_dir)

    def add(group: str, name: str, level: float | None, shown: Tensor, truth: Tensor = labels) -> None:
        trials.append(
            Trial(group, name, level, [_predict(model, shown, truth).figures()["accuracy"] for model in models])
        )

    steps = [(name, level) for name, distortion in DISTORTIONS.items() for level in distortion.levels]
    for name, level in tqdm(steps, desc="distortions", disable=None, file=sys.stderr):
        generator = torch.Generator().manual_seed(0)
        parts = [DISTORTIONS[name].apply(part, level, generator) for part in images.split(_BATCH)]
        add("distortion", name, level, torch.cat(parts))
    for name, corrupt in tqdm(MNIST_C.items(), desc="MNIST-C", disable=None, file=sys.stderr):
        corrupted = corrupt(images[:, 0].double().numpy(), np.random.default_rng(0))
        add("MNIST-C", name, None, torch.from_numpy(corrupted).float().unsqueeze(1))
    uci = find_source("uci").load(data_dir)
    for part in (uci.train, uci.test):
        assert part is not None
        assert part.labels is not None
        add("other writers", f"scikit-learn's digits enlarged ({len(part):,})", None, part.images / 255, part.labels)
    return trials


def _trust(
    models: list[DigitClassifier], clean: list[Predictions], figures: list[dict[str, float]], data_dir: Path
) -> list[Trial]:
    """Whether confidences can be trusted: calibration, coverage, and how well digits are told from what is none."""
    before = [found.scaled(1 / float(model.temperature)) for model, found in zip(models, clean, strict=True)]
    trials = [
        Trial("trust", "calibration error before", None, [predictions.figures()["ece"] for predictions in before]),
        Trial("trust", "calibration error after", None, [found["ece"] for found in figures]),
        Trial("trust", "coverage at 99.9 %", None, [found["coverage_at_0.999"] for found in figures]),
    ]
    for name, images in non_digits(data_dir):
        unknown = torch.full((len(images),), -1)
        strangers = [_predict(model, images, unknown) for model in models]
        figures_of = [_separation(known, other) for known, other in zip(clean, strangers, strict=True)]
        trials.append(Trial("trust", f"AUROC against {name} ({len(images):,})", None, figures_of))
    return trials


def _separation(digits: Predictions, others: Predictions) -> float:
    """Area under the ROC curve of confidence as the sign that an image shows a digit."""
    confidences = [part.logits.double().softmax(dim=1).amax(dim=1) for part in (digits, others)]
    is_digit = torch.cat([torch.ones(len(digits.labels)), torch.zeros(len(others.labels))])
    return float(roc_auc_score(is_digit.numpy(), torch.cat(confidences).numpy()))


def _predict(model: DigitClassifier, images: Tensor, labels: Tensor) -> Predictions:
    with torch.inference_mode():
        logits = torch.cat([model(part) for part in images.split(_BATCH)])
    return Predictions(torch.arange(len(labels)), logits, labels).checked()


def robustness_table(names: list[str], trials: list[Trial]) -> str:
    """Every trial as a line of Markdown, in percent, and the mean over MNIST-C."""
    rows = [(f"{trial.group}: {trial.name}{_amount(trial)}", trial.figures) for trial in trials]
    corrupted = [trial.figures for trial in trials if trial.group == "MNIST-C"]
    rows.append(("MNIST-C: mean", [sum(column) / len(corrupted) for column in zip(*corrupted, strict=True)]))
    width = max(len(name) for name, _ in rows)
    lines = [f"| {'in percent':<{width}} | {' | '.join(names)} |", f"| {'-' * width} |{' ---: |' * len(names)}"]
    for name, figures in rows:
        cells = [f"{100 * figure:{len(column)}.2f}" for column, figure in zip(names, figures, strict=True)]
        lines.append(f"| {name:<{width}} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _amount(trial: Trial) -> str:
    return "" if trial.level is None else f" {trial.level:g} {DISTORTIONS[trial.name].unit}".rstrip()
