"""What a network tells apart: the names of its classes, in the order of its outputs.

Ten digits unless the data say otherwise. Needs no torch, so that what answers from an ONNX file can use it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from digits.errors import UserError

TEN_DIGITS = tuple("0123456789")
_SHOWN = 12


def classes_of(labels: Iterable[str]) -> tuple[str, ...]:
    """The classes of data with these labels, in an order that is the same on every machine.

    Numbers come first, by value, then all else by its characters. Labels that are all among 0 … 9 are those of the ten
    digits, whichever of them occur.
    """
    present = {unicodedata.normalize("NFC", label) for label in labels}
    if present <= set(TEN_DIGITS):
        return TEN_DIGITS
    return tuple(sorted(present, key=_place))


def _place(name: str) -> tuple[bool, int, str]:
    is_number = name.isascii() and name.isdecimal()
    return not is_number, int(name) if is_number else 0, name


def classes_of_data(data: object) -> tuple[str, ...] | None:
    """What the labels of a data module count: its ``class_names``, else so many numbers as its ``num_classes`` says.

    None where it has neither. Raises UserError for names that are not all different.
    """
    names = getattr(data, "class_names", None)
    if names is None and (count := getattr(data, "num_classes", None)) is not None:
        names = range(count)
    if names is None:
        return None
    found = tuple(map(str, names))
    if len(found) < 2 or len(set(found)) < len(found):
        raise UserError(f"{type(data).__name__} names the classes {found}; there must be two or more, all different")
    return found


def noun(class_names: Sequence[str]) -> str:
    """What one of the classes is called where people read it."""
    return "digit" if tuple(class_names) == TEN_DIGITS else "class"


def describe_classes(class_names: Sequence[str]) -> str:
    """The classes in a few words, like ``26 classes (a, b, …, z)``."""
    if tuple(class_names) == TEN_DIGITS:
        return "the ten digits"
    names = list(class_names)
    shown = names if len(names) <= _SHOWN else [*names[: _SHOWN - 2], "…", names[-1]]
    return f"{len(names):,} classes ({', '.join(shown)})"
