"""Classes of the user's own that files may name, which are named in the command: ``--trust mine.Wide``.

A file never has anything imported. What is trusted stands in the environment, so that every process that the command
starts knows it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from digits.errors import UserError

_VARIABLE = "DIGITS_TRUST"
TRUST_HELP = "classes of your own that a checkpoint may name, like mine.Wide; several with commas between"


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    """Give a verb that opens checkpoints the option ``--trust``."""
    parser.add_argument("--trust", metavar="CLASSES", help=TRUST_HELP)


def trust(class_paths: str | None) -> None:
    """Import these classes, commas between them, and let files name them from here on.

    Raises UserError where one cannot be imported.
    """
    if class_paths is None:
        return
    for class_path in class_paths.split(","):
        import_trusted(class_path.strip())
    os.environ[_VARIABLE] = ",".join(sorted(trusted_class_paths() | {path.strip() for path in class_paths.split(",")}))


def trusted_class_paths() -> set[str]:
    """What the user has trusted in this command."""
    return set(filter(None, os.environ.get(_VARIABLE, "").split(",")))


def trusting(class_paths: Iterable[str]) -> dict[str, str]:
    """The environment of a process in which files may name these, too, without their being imported before."""
    return {_VARIABLE: ",".join(sorted(trusted_class_paths().union(class_paths)))}


def import_trusted(class_path: str) -> Any:
    """The class at a path that the user named; raises UserError where there is none."""
    module, _, name = class_path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"cannot import {class_path!r} ({error}); name a class as module.Class, and run where its module is"
        ) from None
