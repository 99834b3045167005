"""The verb ``sweep``: a search for better settings of a recipe, which any number of processes can join."""

from __future__ import annotations

import argparse
import shlex
import sys
import threading
from functools import partial
from pathlib import Path

from tqdm import tqdm

from digits.errors import UserError
from digits.heavy_imports import heavy_imports
from digits.recipes import find_space
from digits.verb_parser import VerbParser

_DESCRIPTION = """\
Search for the settings of a recipe that read the most validation images; the test images are left alone. The space is
a YAML file that maps keys of the configuration to what they may be; configs/sweeps/ has examples. Options that are not
listed here are fit's. The same command, again or elsewhere with the same --storage, joins the study and goes on: trials
of processes that were killed are repeated, and none is counted twice. Ends with best.yaml, a table and plots."""


def main(arguments: list[str]) -> None:
    """Run the verb; ``arguments`` begin with it."""
    options, for_fit = _parse(arguments)
    with heavy_imports():  # not for --help
        try:
            from digits.search import sweeps
        except ModuleNotFoundError as error:
            raise UserError(f"sweeping needs {error.name}, an extra: pip install 'digits[sweep]'") from None
    with sweeps.study_in_reach(options.storage or ""):
        _search(options, for_fit, arguments)


def _search(options: argparse.Namespace, for_fit: list[str], arguments: list[str]) -> None:
    from digits.cli.resolve import resolve
    from digits.search import Launcher, find_or_claim, sweeps
    from digits.training import lock

    for_fit = ["--config", str(options.config), *for_fit]
    config = resolve(for_fit)
    space = sweeps.read_space(options.space)
    points = list(sweeps.grid(space)) if options.sampler == "grid" else None
    if points is None and options.trials is None and options.minutes is None:
        raise UserError("say how long to search: --trials N or --minutes M (a grid ends by itself)")
    for chosen in sweeps.samples(space):
        try:
            resolve([*for_fit, *sweeps.flags(chosen)])
        except UserError as error:
            raise UserError(f"{options.space} does not fit {options.config}: {error}") from None
    sampler = sweeps.sampler_named(options.sampler, options.seed)
    sweeps.pruner_named(options.pruner)  # before the first trial asks for it
    name = options.study or f"{config['experiment']}-sweep"
    home = options.runs_dir / name
    home.mkdir(parents=True, exist_ok=True)
    place = options.storage or str(home / "study.journal")
    purpose = {"space": options.space.read_text(), "config": config, "folds": options.folds}
    with lock(home, wait=True):  # so that those who begin at once agree on the study
        study = sweeps.open_study(name, sweeps.open_storage(place), sampler, purpose)
        identity = sweeps.identity(study)
    folder = find_or_claim(options.runs_dir, name, {"study": identity})
    wanted = options.trials if points is None else min(options.trials or len(points), len(points))
    if points is not None:
        _say(f"grid of {len(points)} points")
    done = sum(map(sweeps.counted, study.get_trials()))
    _say(f"study {name}: {done} trials so far{f' of {wanted}' if wanted else ''} · {folder}")

    sweep = sweeps.Sweep(for_fit, folder, place, name, options.pruner, options.folds)
    launcher = Launcher(options.jobs)
    seconds = None if options.minutes is None else 60 * options.minutes
    turns = sweeps.Turns(study, wanted, points, partial(sweeps.suggest, space=space), seconds)
    one_by_one = threading.Lock()
    with tqdm(total=wanted, initial=done, unit="trial", disable=None, file=sys.stderr) as bar:

        def said(line: str) -> None:
            with one_by_one:
                bar.update()
                bar.write(line)

        tasks = [partial(sweeps.work, sweep, turns, launcher, said) for _ in range(options.jobs)]
        try:
            launcher.each(tasks, "the same command goes on with the study")
        finally:
            turns.close()
    with lock(folder, wait=True):  # another process of the study may be at its end too
        rows = sweeps.write_table(folder / "trials.csv", study)
        _print_best(rows)
        best = sweeps.best_trial(study)
        killed = f"the system killed {turns.left} trials time and again; the same command tries them anew"
        if best is None and turns.left:
            raise UserError(killed)
        if best is None:
            raise UserError(f"no trial came to its end; {folder}/trial-*/log.txt say why")
        assert best.value is not None
        found = resolve([*for_fit, *sweeps.flags(sweeps.decode(space, best.params))])
        found |= {"experiment": f"{config['experiment']}-best"}
        command = shlex.join(["python", "-m", "digits", *_without_storage(arguments)])
        sweeps.write_best(folder / "best.yaml", found, best.value, command)
        sweeps.write_plots(folder, study)
    _say(
        f"{len(rows)} trials; the best, number {sweeps.number_of(best)}, reads {100 * best.value:.2f} % of the "
        f"validation images · {folder / 'best.yaml'}"
    )
    if turns.left:
        raise UserError(killed)


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The verb's own options, and those that are fit's."""
    parser = VerbParser("sweep", _DESCRIPTION)
    parser.add_argument("--config", "-c", type=Path, required=True, help="the recipe")
    parser.add_argument("--space", type=Path, required=True, help="what may be what")
    parser.add_argument("--trials", type=int, metavar="N", help="how many trials the study shall have in all")
    parser.add_argument("--minutes", type=float, help="begin no trial after so long")
    parser.add_argument("--sampler", default="tpe", help="tpe, random, or grid for every point; default: tpe")
    parser.add_argument("--pruner", default="median", help="median, or none to train all to the end; default: median")
    parser.add_argument("--folds", type=int, metavar="K", help="judge each trial by cross-validation on K folds")
    parser.add_argument("--jobs", type=int, default=1, help="trials at once, which share the cores; default: 1")
    parser.add_argument("--storage", help="a file, or a database's URL; default: study.journal in the sweep's folder")
    parser.add_argument("--study", help="name of the study and of its folder; default: <recipe>-sweep")
    parser.add_argument("--seed", type=int, default=0, help="of what the sampler draws; default: 0")
    parser.add_argument("--runs_dir", type=Path, default=Path("runs"), help="default: runs")
    options, for_fit = parser.parse_known_args(arguments[1:])
    options.space = find_space(options.space)
    for name, least in (("trials", 1), ("jobs", 1), ("folds", 2)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise UserError(f"--{name} is {value}; it must be at least {least}")
    return options, for_fit


def _without_storage(arguments: list[str]) -> list[str]:
    """The command without the storage, whose URL may hold a password."""
    kept = []
    words = iter(arguments)
    for word in words:
        if word == "--storage":
            next(words, None)
        elif not word.startswith("--storage="):
            kept.append(word)
    return kept


def _print_best(rows: list[dict[str, object]], count: int = 5) -> None:
    for row in rows[:count]:
        number, state, accuracy, _, *values = row.values()
        named = ", ".join(
            f"{key.rpartition('.')[2]} {f'{value:.4g}' if isinstance(value, float) else value}"
            for key, value in zip(list(row)[4:], values, strict=True)
        )
        _say(f"  {100 * float(str(accuracy)):6.2f} %  trial {number} ({state})  {named}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the command line's own output
