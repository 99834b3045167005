"""The verbs of ``python -m digits``. Nothing heavy is imported before one is chosen."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from digits import __version__
from digits.errors import Interrupted, UserError, did_you_mean, find_disk_error
from digits.heavy_imports import heavy_imports

_VERBS = {
    "fit": ("digits.cli.fit", "train a model, then test its best checkpoint"),
    "validate": ("digits.cli.fit", "evaluate a checkpoint on the validation images"),
    "test": ("digits.cli.fit", "evaluate a checkpoint on the test images"),
    "predict": ("digits.cli.fit", "write a checkpoint's answers to predictions.csv"),
    "recognize": ("digits.recognize", "read the digits on photos and scans"),
    "serve": ("digits.serve", "read over HTTP, and on a page to draw on"),
    "robustness": ("digits.robustness", "compare checkpoints on distorted digits and on what is no digit"),
    "report": ("digits.report", "write a page with pictures of a run, or one that compares several"),
    "crossval": ("digits.crossval", "train and validate a recipe on k folds"),
    "sweep": ("digits.sweep", "search for better settings of a recipe, with any number of processes"),
    "export": ("digits.export", "write a network as ONNX, int8, a torch program or plain weights"),
    "ensemble": ("digits.join", "join checkpoints into one that answers with all of them"),
}
_ELSEWHERE = {
    "train": "fit",
    "eval": "test",
    "evaluate": "test",
    "val": "validate",
    "infer": "predict",
    "read": "recognize",
}
"""What other programs call a verb."""
_SECONDS_FOR_THE_FIRST = 5
"""Of several processes that make the same mistake, the first says so and ends the others; one that ended before would
have it killed unheard, and one that alone is mistaken speaks itself."""


def _help() -> str:
    width = max(map(len, _VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {summary}" for verb, (_, summary) in _VERBS.items())
    return (
        "usage: python -m digits VERB [options]\n\n"
        "Train handwritten-digit recognizers from one YAML.\n\n"
        f"{verbs}\n\n"
        "  python -m digits fit --config cnn                to begin\n"
        "  python -m digits VERB --help                     for the options of a verb"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status: the verb's, 2 after a mistake that the user can mend, or Interrupted's."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no "·" is no reason to fail
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # where people's own models are, also for the console script
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        print(f"digits {__version__}")
        return 0
    try:
        if arguments[0] not in _VERBS:
            named = _ELSEWHERE.get(arguments[0], arguments[0])
            raise UserError(f"unknown verb {arguments[0]!r}; {did_you_mean(named, _VERBS)}")
        with heavy_imports():
            module = import_module(_VERBS[arguments[0]][0])
        return module.main(arguments) or 0
    except UserError as error:
        if os.environ.get("LOCAL_RANK", "0") != "0":
            time.sleep(_SECONDS_FOR_THE_FIRST)
        print(f"digits: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if find_disk_error(error) is not error:
            raise
        print(
            f"digits: error: {error.filename or 'the disk'}: {error.strerror}; make room or grant access, and repeat",
            file=sys.stderr,
        )
        return 2
    except Interrupted as interruption:
        if os.environ.get("LOCAL_RANK", "0") != "0":
            return 0  # the first process speaks for all
        print(f"\ndigits: {interruption}", file=sys.stderr)
        return interruption.status
    except KeyboardInterrupt:
        print("\ndigits: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
