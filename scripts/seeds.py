"""Train one recipe with many seeds and say what it is worth: mean, spread, and against another recipe.

    python scripts/seeds.py --config configs/cnn.yaml --seeds 5
    python scripts/seeds.py --config configs/champion.yaml --seeds 10 --jobs 2 --against scripts/results/cnn.json

Each seed is an ordinary run, ``RUNS_DIR/<config>-seed-<n>/``, whose checkpoint is tested once. Options that are not
this script's go to ``fit``. Started again, it keeps finished seeds and resumes broken ones. What was found is added to
``RESULTS/<config>.json``, which keeps what it holds of other seeds and refuses other settings: for each seed its
figures and the test images that it misread, from which everything printed can be computed again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

from scipy.stats import binomtest, ttest_ind

from digits.cli.resolve import resolve
from digits.data import default_data_dir, find_source
from digits.errors import Interrupted, UserError
from digits.search import Launcher, RunFailedError
from digits.training import Run, flatten

ROOT = Path(__file__).parents[1]
# Test images of MNIST whose labels people dispute (Northcutt et al. 2021): wrong, neither, or undecided.
DISPUTED = {947, 1621, 1901, 2462, 2597, 3558, 5937, 6651, 6783, 9729, 2654, 3520, 9679, 2130, 8527}
_FIGURES = ("test/accuracy", "test/loss", "test/ece", "test/coverage_at_0.999", "seconds", "images_per_second")


def train(config: Path, seed: int, runs_dir: Path, launcher: Launcher, options: list[str]) -> Run:
    """The finished run with that seed, and with its predictions; trained, resumed or found."""
    experiment = f"{config.stem}-seed-{seed}"
    arguments = ["--config", str(config), "--seed_everything", str(seed), *options]
    arguments += ["--trainer.callbacks+=digits.training.StopWithParent"]
    run = launcher.fit(runs_dir, experiment, arguments)
    if not run.predictions_file.exists():
        launcher.run("predict", "--ckpt_path", str(run.tested), log=run.folder.parent / "log.txt")
    return run


def collect(run: Run, seed: int) -> dict[str, Any]:
    """A run's figures and the indices of the test images it misread."""
    metrics = run.figures
    source = metrics["data"]["source"]
    test = find_source(source).load(default_data_dir()).test
    assert test is not None
    assert test.labels is not None
    answers = [int(row["label"]) for row in run.predictions]
    labels = test.labels.tolist()
    mistakes = [index for index, (answer, label) in enumerate(zip(answers, labels, strict=True)) if answer != label]
    figures = {name: metrics[name] for name in _FIGURES}
    about = {"source": source, "count": len(labels), "commit": metrics["commit"], "hardware": metrics["hardware"]}
    return {"seed": seed, **figures, **about, "mistakes": mistakes}


def describe(name: str, runs: list[dict[str, Any]]) -> str:
    """Mean, spread, best and worst over the seeds; for MNIST also without the disputed images."""
    lines = [_spread(name, [run["test/accuracy"] for run in runs])]
    if all(run["source"] == "mnist" for run in runs):
        counted = [1 - len(set(run["mistakes"]) - DISPUTED) / (run["count"] - len(DISPUTED)) for run in runs]
        lines.append(_spread(f"{name}, without the {len(DISPUTED)} disputed test images", counted))
    seconds, errors = ([run[key] for run in runs] for key in ("seconds", "test/ece"))
    lines.append(f"training {statistics.mean(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f} s)")
    lines.append(f"calibration error {100 * statistics.mean(errors):.2f} % ({100 * max(errors):.2f} % at worst)")
    return "\n".join(lines)


def _spread(name: str, accuracies: list[float]) -> str:
    percent = [100 * accuracy for accuracy in accuracies]
    deviation = statistics.stdev(percent) if len(percent) > 1 else 0.0
    extremes = f"best {max(percent):.2f}, worst {min(percent):.2f}"
    return f"{name}: {statistics.mean(percent):.3f} ± {deviation:.3f} % ({len(percent)} seeds; {extremes})"


def compare(runs: list[dict[str, Any]], others: list[dict[str, Any]]) -> str:
    """McNemar's exact test on each pair of runs in turn, and Welch's on the accuracies of all."""
    lines = ["McNemar's exact test, first against second recipe, seed by seed:"]
    for run, other in zip(runs, others, strict=False):
        mine, theirs = set(run["mistakes"]), set(other["mistakes"])
        only_mine, only_theirs = len(mine - theirs), len(theirs - mine)
        disagreements = only_mine + only_theirs
        probability = binomtest(only_mine, disagreements).pvalue if disagreements else 1.0
        lines.append(
            f"  seeds {run['seed']} and {other['seed']}: {only_mine} misread by the first alone, "
            f"{only_theirs} by the second alone, p = {probability:.2g}"
        )
    if min(len(runs), len(others)) > 1:
        accuracies = [[run["test/accuracy"] for run in some] for some in (runs, others)]
        lines.append(f"Welch's t-test on the mean accuracies: p = {ttest_ind(*accuracies, equal_var=False).pvalue:.2g}")
    return "\n".join(lines)


def check_settings(settings: dict[str, Any], others: dict[str, Any], place: Path) -> None:
    """Raise UserError where what was found in ``place`` is of other settings than this command's."""
    for key in sorted(settings.keys() | others.keys()):
        now, before = settings.get(key), others.get(key)
        if now != before:
            raise UserError(
                f"{place} is of {key} {before}, and now it is {now}; results of different settings are not mixed: "
                "give another --results and --runs_dir"
            )


def settings_of(config: dict[str, Any]) -> dict[str, Any]:
    """What of a run's configuration the results depend on, with dotted keys; the seed apart."""
    flat = flatten(config)
    stop = {"class_path": "digits.training.StopWithParent"}
    flat["trainer.callbacks"] = [found for found in flat.get("trainer.callbacks") or [] if found != stop]
    apart = ("seed_everything", "experiment", "runs_dir", "ckpt_path", "report", "trust")
    return {key: value for key, value in flat.items() if key not in apart and not key.startswith("trainer.enable")}


def merge(path: Path, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``runs`` and those of other seeds that the results in ``path`` already hold, by seed."""
    known = json.loads(path.read_text())["runs"] if path.exists() else []
    by_seed = {run["seed"]: run for run in [*known, *runs]}
    return [by_seed[seed] for seed in sorted(by_seed)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 1")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once; they share the cores")
    parser.add_argument("--against", type=Path, help="results of another recipe, as this script wrote them")
    parser.add_argument("--runs_dir", type=Path, default=Path("runs"))
    parser.add_argument("--results", type=Path, default=ROOT / "scripts" / "results")
    options, for_fit = parser.parse_known_args()
    launcher = Launcher(options.jobs)
    path = options.results / f"{options.config.stem}.json"
    settings = settings_of(resolve(["--config", str(options.config), *for_fit]))
    if path.exists() and "settings" in (known := json.loads(path.read_text())):
        check_settings(settings, known["settings"], path)
    for seed in range(1, options.seeds + 1):
        for run in Run.all_in(options.runs_dir, f"{options.config.stem}-seed-{seed}"):
            check_settings(settings, settings_of(run.config), run.folder)

    def one(seed: int) -> dict[str, Any]:
        found = collect(train(options.config, seed, options.runs_dir, launcher, for_fit), seed)
        print(f"seed {seed}: {100 * found['test/accuracy']:.2f} %, {found['seconds']:.1f} s", flush=True)
        return found

    tasks = [partial(one, seed) for seed in range(1, options.seeds + 1)]
    runs = launcher.each(tasks, "the same command keeps the finished seeds and goes on with the others")
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = merge(path, runs)
    command = f"python scripts/seeds.py --config {options.config} --seeds {len(runs)} --jobs {options.jobs}"
    lines = ",\n".join(f"  {json.dumps(run)}" for run in runs)  # a seed a line
    about = f'"command": {json.dumps(" ".join([command, *for_fit]))},\n "settings": {json.dumps(settings)}'
    path.write_text(f'{{{about},\n "runs": [\n{lines}\n ]}}\n')
    print(describe(options.config.stem, runs))
    if options.against:
        print(compare(runs, json.loads(options.against.read_text())["runs"]))


if __name__ == "__main__":
    try:
        main()
    except (UserError, RunFailedError) as error:
        sys.exit(f"seeds.py: error: {error}")
    except Interrupted as interruption:
        print(f"seeds.py: {interruption}", file=sys.stderr)
        sys.exit(interruption.status)
