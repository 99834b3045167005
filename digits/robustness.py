"""The verb ``robustness``: checkpoints side by side on digits that are not as clean as MNIST's."""

from __future__ import annotations

from pathlib import Path

from digits.classes import TEN_DIGITS, describe_classes
from digits.errors import UserError
from digits.heavy_imports import heavy_imports
from digits.paths import expand
from digits.trust import add_trust_option, trust
from digits.verb_parser import VerbParser

_DESCRIPTION = """\
Measure checkpoints side by side on distorted test images, MNIST-C's corruptions, scikit-learn's digits enlarged, and
images that show no digit. Prints a table and writes OUTPUT.json and OUTPUT.png."""


def main(arguments: list[str]) -> None:
    """Run the verb; ``arguments`` begin with it."""
    parser = VerbParser("robustness", _DESCRIPTION)
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CKPT")
    parser.add_argument("--output", type=Path, default=Path("robustness"), help="default: robustness")
    parser.add_argument("--images", type=int, default=10_000, help="use only the first so many test images")
    parser.add_argument("--data_dir", type=expand, help="default: $DIGITS_DATA_DIR, else data/")
    add_trust_option(parser)
    options = parser.parse_args(arguments[1:])
    if options.images < 1:
        raise UserError(f"--images is {options.images}; it must be at least 1")
    with heavy_imports():  # not for --help
        from digits.data import default_data_dir
        from digits.evaluation import measure_robustness, robustness_figure, robustness_table
        from digits.models import open_model
        from digits.training import write_json

    trust(options.trust)
    models = [open_model(path) for path in options.checkpoints]
    for path, model in zip(options.checkpoints, models, strict=True):
        if model.class_names != TEN_DIGITS:
            raise UserError(f"{path} has {describe_classes(model.class_names)}; robustness is measured with ten digits")
    names = [_name(path) for path in options.checkpoints]
    trials = measure_robustness(models, options.data_dir or default_data_dir(), options.images)
    print(robustness_table(names, trials))  # noqa: T201 - this is what was asked for
    content = [{**vars(trial), "figures": dict(zip(names, trial.figures, strict=True))} for trial in trials]
    write_json(options.output.with_suffix(".json"), {"images": options.images, "trials": content})
    robustness_figure(names, trials).savefig(options.output.with_suffix(".png"), dpi=110)
    print(f"{options.output.with_suffix('.json')} · {options.output.with_suffix('.png')}")  # noqa: T201


def _name(checkpoint: Path) -> str:
    from digits.training import Run

    run = Run.of(checkpoint)
    return checkpoint.stem if run is None else run.name
