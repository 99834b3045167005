"""The picture of a robustness measurement."""

from __future__ import annotations

from matplotlib.figure import Figure

from digits.evaluation.distortions import DISTORTIONS
from digits.evaluation.robustness import Trial
from digits.evaluation.style import COLOURS, MARKERS

_COLUMNS = 4


def robustness_figure(names: list[str], trials: list[Trial]) -> Figure:
    """Draw accuracy against the amount of each distortion, and a bar for every corruption of MNIST-C."""
    curves = [name for name, distortion in DISTORTIONS.items() if len(distortion.levels) > 1]
    bars = [trial for trial in trials if trial.group == "MNIST-C" or trial.name in DISTORTIONS.keys() - set(curves)]
    rows = -(-len(curves) // _COLUMNS)
    figure = Figure(figsize=(3.2 * _COLUMNS, 2.5 * rows + 3.4), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[2.5 * rows, 3.4])[:, 0]
    grid = above.subplots(rows, _COLUMNS, sharey=True).ravel()
    for axes, name in zip(grid, curves, strict=False):
        steps = [trial for trial in trials if trial.name == name]
        for number in range(len(names)):
            accuracies = [100 * trial.figures[number] for trial in steps]
            style = {"color": COLOURS[number % 5], "marker": MARKERS[number % 5], "markersize": 4}
            axes.plot([trial.level for trial in steps], accuracies, label=names[number], **style)
        axes.set(title=name, xlabel=DISTORTIONS[name].unit, ylim=(0, 104))
        axes.grid(color="#dddddd")
    for axes in grid[len(curves) :]:
        axes.remove()
    above.supylabel("test images read (%)")
    above.suptitle("Accuracy by kind and amount of distortion", x=0.01, ha="left")
    axes = below.subplots()
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        places = [place + (number - (len(names) - 1) / 2) * width for place in range(len(bars))]
        axes.bar(places, [100 * trial.figures[number] for trial in bars], width, color=COLOURS[number % 5], label=name)
    axes.set(ylabel="test images read (%)", ylim=(0, 104), title="MNIST-C's corruptions, and inverted polarity")
    axes.set_xticks(range(len(bars)), [trial.name for trial in bars], rotation=40, ha="right")
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    figure.legend(*axes.get_legend_handles_labels(), loc="upper right", ncols=len(names), frameon=False)
    return figure
