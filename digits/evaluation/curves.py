"""The picture of a training."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from digits.evaluation.style import styled

_COLUMNS = (("loss", "cross-entropy (nats)", 1.0), ("accuracy", "images read (%)", 100.0))


@styled
def curves_figure(epochs: list[dict[str, float]]) -> Figure:
    """Draw loss, accuracy and learning rate by epoch; each row holds an epoch's figures as ``metrics.csv`` does."""
    figure = Figure(figsize=(11.0, 3.4))
    loss, accuracy, rate = figure.subplots(1, 3)
    for axes, (name, label, scale) in zip((loss, accuracy), _COLUMNS, strict=True):
        for split, words in (("train", "training"), ("val", "validation")):
            points = [(row["epoch"] + 1, scale * row[key]) for row in epochs if (key := f"{split}/{name}") in row]
            if points:
                axes.plot(*zip(*points, strict=True), label=words)
        axes.set(title=name.capitalize(), ylabel=label)
        axes.legend()
    points = [(row["epoch"] + 1, row["train/learning_rate"]) for row in epochs if "train/learning_rate" in row]
    if points:
        rate.plot(*zip(*points, strict=True), color="black")
    rate.set(title="Learning rate at the end of the epoch", ylabel="learning rate", ylim=(0, None))
    for axes in (loss, accuracy, rate):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


@styled
def validation_figure(names: list[str], runs: list[list[dict[str, float]]]) -> Figure:
    """Draw the validation accuracy of several runs by epoch; each run is as ``curves_figure`` takes it."""
    figure = Figure(figsize=(8.0, 3.6))
    axes = figure.add_subplot()
    for name, epochs in zip(names, runs, strict=True):
        points = [(row["epoch"] + 1, 100 * row["val/accuracy"]) for row in epochs if "val/accuracy" in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=name)
    axes.set(title="Accuracy on the validation images", xlabel="epoch", ylabel="images read (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend()
    return figure
