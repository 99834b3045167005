"""Pictures of what a sweep has tried."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from digits.evaluation.style import BLUE, GREY, ORANGE, styled

_SHOWN = 90
"""The worst tenth of the trials would squeeze all others into one line."""


@styled
def search_history_figure(complete: list[tuple[int, float]], ended_early: list[tuple[int, float]]) -> Figure:
    """Draw the validation accuracy of each trial, given as (number, accuracy), and the best so far."""
    figure = Figure(figsize=(8.0, 4.2))
    axes = figure.add_subplot()
    numbers, accuracies = np.array([trial[0] for trial in complete]), 100 * np.array([trial[1] for trial in complete])
    order = numbers.argsort()
    if ended_early:
        early = np.array(ended_early)
        axes.plot(early[:, 0], 100 * early[:, 1], color=GREY, marker="x", linestyle="", label="ended early")
    axes.plot(numbers[order], accuracies[order], color=BLUE, marker="o", linestyle="", label="trained to the end")
    best = np.maximum.accumulate(accuracies[order])
    axes.step(numbers[order], best, where="post", color=ORANGE, marker="", label="best so far")
    span = best.max() - np.percentile(accuracies, 100 - _SHOWN)
    margin = max(0.1 * span, 0.02)
    axes.set(ylim=(best.max() - max(span, 0.1) - margin, best.max() + margin), xlabel="trial")
    axes.set(ylabel="validation images read (%)", title=f"Trials: the best reads {best.max():.2f} %")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    return figure


@styled
def horizontal_bars_figure(title: str, label: str, values: dict[str, float]) -> Figure:
    """Draw a bar for each of ``values``, from the top."""
    figure = Figure(figsize=(8.0, 0.4 * len(values) + 1.4))
    axes = figure.add_subplot()
    bars = axes.barh(list(values), list(values.values()), color=BLUE)
    axes.bar_label(bars, [f" {value:.2f}" for value in values.values()])
    axes.set(title=title, xlabel=label, xlim=(0, 1.12 * max(values.values())))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return figure


@styled
def parallel_figure(points: list[dict[str, Any]], accuracies: list[float]) -> Figure:
    """Draw each trial as a line through its values, the better the darker; an axis for each key."""
    keys = list(dict.fromkeys(key for point in points for key in point))
    figure = Figure(figsize=(max(7.0, 1.9 * len(keys) + 2.0), 5.0))
    axes = figure.add_subplot()
    shades = np.array(accuracies)
    scale = Normalize(100 * np.percentile(shades, 100 - _SHOWN), 100 * shades.max())
    colours = ScalarMappable(scale, "viridis_r")
    columns = [_heights([point.get(key) for point in points]) for key in keys]
    for row in shades.argsort():
        heights = [column[0][row] for column in columns]
        axes.plot(heights, marker="o", markersize=3, color=colours.to_rgba(100 * shades[row]), linewidth=1.2)
    for place, (_, ticks) in enumerate(columns):
        axes.axvline(place, color=GREY, linewidth=0.8, marker="")
        for height, text in ticks:
            axes.annotate(text, (place, height), xytext=(5, 3), textcoords="offset points", fontsize=8)
    axes.set_xticks(range(len(keys)), [key.removeprefix("model.").replace("init_args.", "") for key in keys])
    axes.tick_params(axis="x", labelrotation=12)
    axes.set(yticks=[], ylim=(-0.06, 1.1), xlim=(-0.1, len(keys) - 0.6), title="What each trial tried")
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    figure.colorbar(colours, ax=axes, label="validation images read (%)", pad=0.02)
    return figure


def _heights(values: list[Any]) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Where values stand on an axis from 0 to 1, nan where there is none, and what is written beside it."""
    present = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        low, high = np.nanmin(numbers), np.nanmax(numbers)
        is_logarithmic = low > 0 and high / low > 20
        if is_logarithmic:
            numbers = np.log(numbers)
        span = np.nanmax(numbers) - np.nanmin(numbers)
        heights = (numbers - np.nanmin(numbers)) / span if span else numbers * 0 + 0.5
        middle = float(np.sqrt(low * high)) if is_logarithmic else (low + high) / 2
        ticks = [(0.0, low), (0.5, middle), (1.0, high)] if span else [(0.5, low)]
        return heights, [(height, f"{value:.3g}") for height, value in ticks]
    names = sorted({_name(value) for value in present})
    heights_of = {name: position / max(len(names) - 1, 1) for position, name in enumerate(names)}
    heights = np.array([np.nan if value is None else heights_of[_name(value)] for value in values])
    return heights, [(height, name) for name, height in heights_of.items()]


def _name(value: Any) -> str:
    return value.rpartition(".")[2] if isinstance(value, str) and value[:1].isalpha() else str(value)
