"""jsonargparse's complaints, cut down to one line that names the mistake and its remedy.

jsonargparse checks a nested value with a parser of its own for each class and quotes that parser's complaint inside
its own, several levels deep. Each level is explained by the parser that knows the valid keys, and marked, so that
the levels above can find it and put their key before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module

from jsonargparse import ArgumentParser

from digits.errors import did_you_mean

_MARK = "\u2063"  # an invisible character that no message contains
_HOMES = (
    "digits.models",
    "digits.data",
    "digits.training",
    "pytorch_lightning.callbacks",
    "torch.optim",
    "torch.optim.lr_scheduler",
)

_ELSEWHERE = {
    **dict.fromkeys(("checkpoint", "ckpt", "resume", "resume_from_checkpoint"), "ckpt_path"),
    **{"seed": "seed_everything", "epochs": "trainer.max_epochs", "batch_size": "data.batch_size"},
    **dict.fromkeys(("lr", "learning_rate", "max_lr"), "model.optimizer.lr"),
}
"""What other verbs and other programs call an option."""


def explain(message: str, parser: ArgumentParser) -> str:
    """One line about what ``parser`` found wrong; marked for the parser around it, see ``strip_marks``."""
    keys = re.findall(r'Parser key "([^"]+)"', message.partition(_MARK)[0])
    where = f"{keys[0]}: " if keys else ""
    if _MARK in message:
        return f"{_MARK}{where}{message.split(_MARK)[1].partition(chr(10))[0]}"
    return f"{_MARK}{where}{_explain_here(message, parser)}"


def strip_marks(explanation: str) -> str:
    """The explanation as the user sees it."""
    return explanation.replace(_MARK, "")


def _explain_here(message: str, parser: ArgumentParser) -> str:
    if match := re.search(r"Option '([^']+)' is not accepted", message):
        if not _keys(parser):
            return f"name the class, in a configuration or a flag, before its option {match[1]!r}"
        return f"unknown key {match[1]!r}; {_elsewhere(match[1]) or did_you_mean(match[1], _keys(parser))}"
    if match := re.search(r"Group '([^']+)' does not accept option '([^']+)'", message):
        return _unknown_option(f"{match[1]}.{match[2]}", parser)
    if match := re.search(r"unrecognized arguments: --(?:no_)?([^\s=]+)", message):
        return _unknown_option(match[1], parser)
    if match := re.search(r"unrecognized arguments: ([\w.]+)=", message):
        return f"{match[1]} is no option without dashes; write --{match[0].partition(': ')[2]}…"
    if match := re.search(r"unrecognized arguments: (\S+)", message):
        return f"{match[1]!r} belongs to no option; see `{parser.prog} --help`"
    if match := re.search(r"module '([^']+)' has no attribute '([^']+)'", message):
        return f"{match[1]} has no {match[2]!r}; {did_you_mean(match[2], _classes(match[1]))}"
    if match := re.search(r"Expected a dot import path string: (\S+)", message):
        known = [name for home in _HOMES for name in _classes(home)]
        return f"unknown class {match[1]!r}; {_nearest_only(did_you_mean(match[1], known))}"
    if match := re.search(r"Multiple subclasses with name (\w+)\..*: (.+)\.\n", message):
        return f"several classes are called {match[1]}; write {' or '.join(match[2].split(', '))}"
    if match := re.search(r"expects a function.* NestedArg\(key='(\w+)'", message):
        return f"{match[1]!r}: arguments can be given to a class, not to a function"
    if message.endswith("arguments are required: optimizer"):
        return "name a function alone, without class_path and init_args; arguments can be given to a class"
    if match := re.search(r"No module named '([^']+)'", message):
        return f"there is no module {match[1]!r}; check the class path"
    if literals := re.findall(r"Literal\[([^\]]+)\]", message):
        given = re.search(r"(?:Given|Got) value: (.+)", message)
        choices = ", ".join(dict.fromkeys(", ".join(literals).split(", ")))
        return f"{given[1] if given else 'the value'} is not one of {choices}"
    if match := re.search(r"Expected an? <class '(\w+)'>\. Got value: (.+)", message):
        return f"expected {match[1]}, not {match[2]!r}"
    problems = re.findall(r"\n\s+- (?!Expected a path|Expected a <class 'NoneType'>)(.+)", message)
    return " ".join((problems[0] if problems else message).split())


def _elsewhere(name: str) -> str:
    return f"did you mean {_ELSEWHERE[name]!r}?" if name in _ELSEWHERE else ""


def _unknown_option(name: str, parser: ArgumentParser) -> str:
    keys = _keys(parser)
    if name in _ELSEWHERE:
        return f"unknown option {name!r}; {_elsewhere(name)}"
    group, _, rest = name.partition(".")
    groups = {key.partition(".")[0] for key in keys}
    if rest and group not in groups:
        return f"unknown option {name!r}; {did_you_mean(group, groups)}"
    return f"unknown option {name!r}; {_nearest_only(did_you_mean(name, keys))}"


def _nearest_only(suggestion: str) -> str:
    """Without the list of all names where it would fill the screen."""
    return suggestion if suggestion.startswith("did you mean") else "see --help for those there are"


def _keys(parser: ArgumentParser) -> list[str]:
    return [action.dest for action in parser._actions if action.dest != "help"]


def _classes(module: str) -> Iterable[str]:
    return [name for name, value in vars(import_module(module)).items() if isinstance(value, type) and name[0] != "_"]
