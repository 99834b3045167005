"""Contests that scripts/benchmark.py holds: contenders in turns, medians, a table and a plot."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from matplotlib.figure import Figure


@dataclass
class Contest:
    """Contenders for one figure; ours is the first, and should be ``target`` times as good as each other."""

    name: str
    unit: str
    contenders: dict[str, Callable[[int], float]]
    target: float | None = None
    rounds: int = 3
    once: tuple[str, ...] = ()
    """Contenders that take minutes and are measured in the first round only."""
    values: dict[str, list[float]] = field(default_factory=dict)

    def hold(self) -> None:
        for turn in range(self.rounds):
            for name, measure in self.contenders.items():
                if turn > 0 and name in self.once:
                    continue
                value = measure(turn)
                self.values.setdefault(name, []).append(value)
                print(f"  {self.name}: {name} {value:.4g} {self.unit}", flush=True)

    def ratios(self) -> dict[str, float]:
        """How many times as good as each rival ours is, medians compared."""
        medians = {name: statistics.median(values) for name, values in self.values.items()}
        ours, *others = medians
        is_speed = self.unit.endswith("/s")
        return {
            other: medians[ours] / medians[other] if is_speed else medians[other] / medians[ours] for other in others
        }


def table(contests: list[Contest]) -> str:
    lines = ["| what | who | median (lowest–highest) | ours against it | aim |", "| --- | --- | --- | --- | --- |"]
    for contest in contests:
        ratios = contest.ratios()
        for name, values in contest.values.items():
            middle = f"{statistics.median(values):,.4g} {contest.unit} ({min(values):,.4g}–{max(values):,.4g})"
            ratio = f"{ratios[name]:.3g}×" if name in ratios else ""
            aim = f"≥ {contest.target}×" if name in ratios and contest.target else ""
            lines.append(f"| {contest.name} | {name} | {middle} | {ratio} | {aim} |")
    return "\n".join(lines)


def plot(contests: list[Contest], machine: str) -> Figure:
    """Draw each ratio as a bar on a logarithmic axis."""
    bars = [
        (f"{contest.name}\nagainst {rival}", ratio) for contest in contests for rival, ratio in contest.ratios().items()
    ]
    figure = Figure(figsize=(9, 1 + 0.55 * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh([name for name, _ in bars], [ratio for _, ratio in bars], color="#0b5394")
    axes.bar_label(axes.containers[0], [f" {ratio:.3g}×" for _, ratio in bars])  # type: ignore[arg-type]
    axes.set(xscale="log", xlabel=f"times as good as the rival, median ({machine})", title="digits beside its rivals")
    axes.axvline(1, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
