"""The page of one run."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from digits.classes import noun
from digits.data import DigitsDataModule
from digits.evaluation import classification_rows, colour_of, confidence_interval, features_of, map_features
from digits.replacing import replacing
from digits.reporting.page import folder_for, render
from digits.reporting.pictures import run_pictures, save_picture, sprite_uri
from digits.reporting.run import JudgedRun, read_run
from digits.training import Run

_MAPPED, _SPRITE_COLUMNS = 2000, 50
_CAPTIONS = {
    "curves": "How training went. The validation images choose the checkpoint; they are never trained on.",
    "confusion_matrix": "Rows are true {many}, columns answers; each cell has its count, of few classes also its "
    "share of the row.",
    "per_digit_accuracy": "With so many images, a {one}'s true accuracy lies within its interval 19 times out of 20.",
    "misclassified": "Every mistake. The first ones are those that the network was surest of.",
    "confidence": "Left: how often answers of a given confidence are right, and how many they are. Right: how often "
    "it is right when it answers only what it is surest of.",
    "classification_report": "Precision: of those read as a {one}, how many are. Recall: of those that are, how many "
    "are read.",
    "sample_predictions": "What most answers look like.",
    "sample_digits": "Training images, before any distortion.",
    "first_layer": "What the units that see the image look for.",
    "embedding": "t-SNE of what the network's last layer is given. Point at a mark to see its image.",
}


def write_report(of: Run, data: DigitsDataModule | None = None) -> Path:
    """Write a finished run's ``report/index.html``, which needs no other file, and each picture beside it.

    Returns the page. ``data`` are the run's, where they are in memory already. Raises UserError where its files or data
    are missing.
    """
    run = read_run(of, data)
    mapped = _some(len(run.predictions.labels))
    images = run.images[run.predictions.indices[mapped]]
    places = map_features(features_of(run.model, images))
    figures = run_pictures(run, places, mapped)
    rows = classification_rows(run.predictions)
    one = noun(run.predictions.class_names)
    words = {"one": one, "many": "digits" if one == "digit" else "classes"}
    target = of.folder / "report"
    page = target / "index.html"
    with folder_for(target):
        pictures = [
            save_picture(figures[name], target, name, text.format(**words))
            for name, text in _CAPTIONS.items()
            if name in figures
        ]
        with replacing(target / "classification_report.csv") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        render(
            page,
            "run.html",
            title=_title(run),
            headline=headline(run),
            facts=facts(run),
            rows=rows,
            noun=one,
            pictures=pictures,
            points=_points(run, mapped, images, places),
            config=yaml.safe_dump(run.metrics["config"], sort_keys=False),
        )
    return page


def _title(run: JudgedRun) -> str:
    experiment, version = run.folder.parent.name, run.folder.name.replace("_", " ")
    accuracy, count = _figures(run)["accuracy"], len(run.predictions.labels)
    return f"{experiment}, {version}: {_percent(accuracy)} of {count:,} images read"


def _points(run: JudgedRun, mapped: Tensor, images: Tensor, places: np.ndarray) -> dict[str, Any]:
    """What the page's map draws."""
    low, high = places.min(axis=0), places.max(axis=0)
    return {
        "places": ((places - low) / (high - low)).round(4).tolist(),
        "truths": run.predictions.labels[mapped].tolist(),
        "answers": run.predictions.logits[mapped].argmax(dim=1).tolist(),
        "names": run.predictions.class_names,
        "colours": [colour_of(label) for label in range(run.predictions.num_classes)],
        "columns": _SPRITE_COLUMNS,
        "sprite": sprite_uri(images, _SPRITE_COLUMNS),
    }


def _some(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(count, generator=generator)[:_MAPPED].sort().values


def _figures(run: JudgedRun) -> dict[str, float]:
    """The figures of the images that the run is judged by."""
    return run.predictions.figures()


def headline(run: JudgedRun) -> dict[str, str]:
    """The most important figures, in words and with their units."""
    figures = _figures(run)
    count = len(run.predictions.labels)
    right = round(figures["accuracy"] * count)
    low, high = confidence_interval(right, count)
    return {
        "test accuracy" if run.split == "test" else "validation accuracy": _percent(figures["accuracy"]),
        "its 95 % interval": f"{100 * low:.2f}–{100 * high:.2f} %",
        "mistakes": f"{count - right:,} of {count:,}",
        "cross-entropy": f"{figures['loss']:.4f} nats",
        "macro F1": f"{figures['f1']:.4f}",
        "calibration error": f"{100 * figures['ece']:.2f} %",
        "answered at 99.9 % accuracy": f"{100 * figures['coverage_at_0.999']:.2f} %",
        "training time": f"{run.metrics['seconds']:,.1f} s",
    }


def facts(run: JudgedRun) -> dict[str, str]:
    """What it takes to judge the figures, and to get them again."""
    metrics = run.metrics
    machine = metrics["hardware"]
    data = metrics["data"]
    offline = f" (in place of {metrics['config']['data']['source']})" if data["offline"] else ""
    return {
        "run": "/".join(run.folder.parts[-3:]),
        "command": metrics.get("command", "not recorded"),
        "commit": metrics["commit"] or "not in a git checkout",
        "seed": str(metrics["seed"]),
        "data": f"{data['source']}{offline}, {len(run.training):,} training images",
        "data files": ", ".join(f"{name} (MD5 {md5})" for name, md5 in data["fingerprint"].items()),
        "network": f"{type(run.model).__name__}, {run.parameters:,} parameters, {run.operations:,} FLOPs an image",
        "epochs": f"{metrics['epochs']}",
        "speed": f"{metrics['images_per_second']:,} training images/s",
        "hardware": _hardware(machine),
        "versions": ", ".join(f"{name} {version}" for name, version in metrics["versions"].items()),
    }


def _hardware(machine: dict[str, Any]) -> str:
    gpus = f", {', '.join(machine['gpus'])}" if machine["gpus"] else ""
    threads = "thread" if machine["threads"] == 1 else "threads"
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} {threads}{gpus}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
