"""Which classes of models a file may name: the one place that decides it, for every kind of file and every verb.

Files are data. Nothing that a file names is imported, and none but Finder and the subclasses of DigitClassifier that
this program has loaded already is called: our own, and those that the user imported, named in the configuration or
trusted.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

from digits.errors import UserError
from digits.models.base import DigitClassifier
from digits.models.finder import Finder
from digits.trust import import_trusted, trusted_class_paths

_PLAIN = bool | int | float | str | None
_DEEPEST, _MOST_VALUES = 50, 100_000
_OF_TRAINING = ("optimizer", "lr_scheduler", "lr_scheduler_config")


def find_family(class_path: object) -> type[DigitClassifier | Finder]:
    """The class that a file calls ``class_path``; raises UserError for one that it may not name."""
    if isinstance(class_path, str):
        if class_path in trusted_class_paths():
            trusted = import_trusted(class_path)
            if not (isinstance(trusted, type) and issubclass(trusted, DigitClassifier)):
                raise UserError(f"{class_path} is no DigitClassifier, as what answers for single images must be")
        module, _, name = class_path.rpartition(".")
        # Not getattr, which some modules answer by importing.
        loaded = vars(sys.modules.get(module) or object).get(name)
        known: list[type[DigitClassifier | Finder]] = [Finder, *_loaded_families(DigitClassifier)]
        for family in known:
            if family is loaded or class_path in _paths(family):
                return family
    name = ascii(class_path)[1:100].rstrip("'")
    raise UserError(f"it names the class {name}, which is not ours; if you trust it, add --trust {name}")


def _paths(family: type[DigitClassifier | Finder]) -> set[str]:
    """The places from which a class can be imported."""
    homes = {family.__module__} | ({"digits", "digits.models"} if family.__module__.startswith("digits.") else set())
    return {f"{home}.{family.__qualname__}" for home in homes}


def _loaded_families(base: type[DigitClassifier]) -> Iterator[type[DigitClassifier]]:
    for family in base.__subclasses__():
        yield family
        yield from _loaded_families(family)


def build_network(class_path: object, hyper_parameters: object) -> DigitClassifier | Finder:
    """An untrained model, as a file describes it.

    Raises UserError for a class that it may not name, and for hyper-parameters that are not plain values, that name
    files, or that the class does not take.
    """
    family = find_family(class_path)
    check_hyper_parameters(family, hyper_parameters)
    assert isinstance(hyper_parameters, dict)
    try:
        return family(**hyper_parameters)
    except UserError:
        raise
    except Exception as error:  # what torch's layers raise for sizes that are none
        reason = " ".join(str(error).split())
        raise UserError(f"its hyper_parameters make no {family.__name__} ({reason})") from None


def check_hyper_parameters(family: type[DigitClassifier | Finder], hyper_parameters: object) -> None:
    """Raise UserError unless these are plain values of arguments that a file may choose."""
    if not isinstance(hyper_parameters, dict):
        raise UserError("its hyper_parameters are no mapping")
    known = _arguments(family)
    for name, value in hyper_parameters.items():
        if name not in known or name in _OF_TRAINING:
            raise UserError(f"its hyper_parameters have {name!r}, which {family.__name__} does not take")
        if name in family.arguments_that_name_files and value:
            raise UserError(f"its hyper_parameters have {name!r}, which names other files; a file may not do that")
        if not is_plain(value):
            raise UserError(f"its hyper_parameters have {name!r} that is no plain value")


def _arguments(family: type[DigitClassifier | Finder]) -> set[str]:
    """The arguments of a class and, where it hands on the rest, of those that it inherits from."""
    names: set[str] = set()
    for ancestor in family.__mro__:
        parameters = inspect.signature(vars(ancestor)["__init__"]).parameters if "__init__" in vars(ancestor) else {}
        names |= {name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD}
        if ancestor is DigitClassifier:
            break
        if parameters and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            break
    return names - {"self"}


def is_plain(value: object) -> bool:
    """Whether this is what JSON holds, and of a size that a configuration has.

    A file of a few bytes can hold lists of lists that contain each other, which would take for ever to go through.
    """
    depth, level, count = 0, [value], 0
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > _DEEPEST or count > _MOST_VALUES:
            return False
        below: list[object] = []
        for member in level:
            if isinstance(member, list | tuple):
                below += member
            elif isinstance(member, dict):
                if not all(isinstance(key, str) for key in member):
                    return False
                below += member.values()
            elif not isinstance(member, _PLAIN):
                return False
        level = below
    return True
