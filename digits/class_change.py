"""What becomes of a class's arguments when another class takes its place in the configuration.

jsonargparse hands all arguments that both classes know to the new one, also those that nobody chose: Adam in place of
AdamW took over AdamW's weight decay of 0.01, which in Adam is another thing, and a perceptron that reads 97.8 % of
MNIST's test images after four epochs read 96.4 %. Here only what somebody chose is handed on.
"""

from __future__ import annotations

import inspect
from pydoc import locate
from typing import Any, cast

from jsonargparse import _typehints

_hand_on = _typehints.discard_init_args_on_class_path_change


def hand_on_only_what_was_chosen() -> None:
    """Mend jsonargparse in this process; tests/test_cli.py fails without it."""
    _typehints.discard_init_args_on_class_path_change = _forget_defaults


def _forget_defaults(parser: Any, former: Any, new: Any) -> None:
    if former and former.get("init_args") and former["class_path"] != new["class_path"]:
        parameters = inspect.signature(cast(type, locate(former["class_path"]))).parameters
        for name in list(former["init_args"].keys()):
            default = parameters[name].default if name in parameters else inspect.Parameter.empty
            if _plain(former["init_args"][name]) == _plain(default):
                former["init_args"].pop(name)
    _hand_on(parser, former, new)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
