"""The verb ``crossval``: how good a recipe is on images that it did not train on, each of them once."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from digits.errors import UserError
from digits.heavy_imports import heavy_imports
from digits.replacing import replacing
from digits.verb_parser import VerbParser

if TYPE_CHECKING:
    from digits.data import DigitsDataModule
    from digits.search import Fold

_DESCRIPTION = """\
Train a recipe K times, each time without another K-th of the training images, and read those: stratified, seeded by
data.split_seed. The test images are left alone, unless --ensemble asks for them. Options that are not listed here are
fit's. Started again after an interruption, it keeps finished folds and goes on with broken ones."""


def main(arguments: list[str]) -> None:
    """Run the verb; ``arguments`` begin with it."""
    parser = VerbParser("crossval", _DESCRIPTION)
    parser.add_argument("--config", "-c", type=Path, required=True, help="the recipe")
    parser.add_argument("--folds", type=int, default=5, metavar="K", help="default: 5")
    parser.add_argument("--jobs", type=int, default=1, help="folds at once, which share the cores; default: 1")
    parser.add_argument("--ensemble", action="store_true", help="keep the folds as one ensemble, and test that")
    parser.add_argument("--experiment", help="default: the recipe's name")
    parser.add_argument("--runs_dir", type=Path, default=Path("runs"), help="default: runs")
    options, for_fit = parser.parse_known_args(arguments[1:])
    if options.folds < 2:
        raise UserError(f"--folds is {options.folds}; it must be at least 2")
    if options.jobs < 1:
        raise UserError(f"--jobs is {options.jobs}; it must be at least 1")
    with heavy_imports():  # not for --help
        from digits.cli.resolve import resolve
        from digits.evaluation import classification_rows
        from digits.search import RESULT, Launcher, classification_table, conclude_folds, find_or_claim, run_folds
        from digits.training import lock

    for_fit = ["--config", str(options.config), *for_fit]
    config = resolve(for_fit)
    if "class_path" in config["data"]:
        raise UserError(
            f"crossval shares out the images of the digits' own data module, and {config['data']['class_path']} is "
            "another; give it a digits.data.Source of yours with --data.source"
        )
    name = options.experiment or config["experiment"]
    folder = find_or_claim(options.runs_dir, f"{name}-crossval", {"folds": options.folds, "config": config}, RESULT)
    with lock(folder):
        print(f"{options.folds} folds · {folder}", flush=True)  # noqa: T201 - the command line's own output
        with tqdm(total=options.folds, unit="fold", disable=None, file=sys.stderr) as bar:

            def done(fold: Fold) -> None:
                bar.update()
                bar.write(_describe(fold))

            folds = run_folds(folder, for_fit, options.folds, Launcher(options.jobs), done)
        figures, predictions, data = conclude_folds(folder, folds)
        rows = classification_rows(predictions)
        with replacing(folder / "classification_report.csv") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        print(classification_table(rows))  # noqa: T201
        if options.ensemble:
            _test_ensemble(folder, folds, data)
        print(  # noqa: T201
            f"{name}: {100 * figures['mean']:.2f} ± {100 * figures['deviation']:.2f} % of the images left out "
            f"(mean and standard deviation of {options.folds} folds; of the last epochs, which nothing chose, "
            f"{100 * figures['mean_of_last_epochs']:.2f} %) · {folder}"
        )


def _test_ensemble(folder: Path, folds: list[Fold], data: DigitsDataModule) -> None:
    import torch

    from digits.evaluation import answer
    from digits.join import join
    from digits.models import load_model
    from digits.training import write_json

    path = folder / "ensemble.ckpt"
    join([fold.run.tested for fold in folds], path)
    test = data.digits.test
    if test is None or not data.has_labelled_test_set:
        return
    tested = answer(load_model(path), test, torch.arange(len(test))).figures()
    write_json(folder / f"test-{data.digits.source}.json", {f"test/{key}": tested[key] for key in tested})
    print(  # noqa: T201
        f"ensemble of the folds: test accuracy {100 * tested['accuracy']:.2f} % of {tested['count']:,} images"
        f" of {data.digits.source} · {path}"
    )


def _describe(fold: Fold) -> str:
    count, seconds = fold.metrics["val/count"], fold.metrics["seconds"]
    return f"fold {fold.number}: {100 * fold.accuracy:.2f} % of {count:,} images, trained in {seconds:.1f} s"
