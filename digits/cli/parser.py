"""The parser of the training verbs: Lightning's, with recipes by name, whole option names and short complaints."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning.cli import ActionConfigFile, LightningArgumentParser

from digits.cli.errors import explain
from digits.errors import UserError
from digits.recipes import find_config


class ConfigFile(ActionConfigFile):
    """``--config``: a file, the name of a shipped recipe, or YAML of several lines."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        config = values if "\n" in values else str(find_config(values))
        super().__call__(parser, namespace, config, option_string)


class DigitsParser(LightningArgumentParser):
    """Lightning's parser, which takes no abbreviations, and whose complaints are one line with a remedy."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Of the parsers that jsonargparse makes for the arguments of classes the usage says nothing.
        usage = {} if "prog" in kwargs else {"usage": argparse.SUPPRESS}
        super().__init__(*args, **(usage | kwargs | {"allow_abbrev": False}))

    def error(self, message: str, ex: Exception | None = None) -> None:
        raise UserError(explain(str(ex or message), self)) from None

    def get_defaults(self, *args: Any, **kwargs: Any) -> Namespace:
        """The defaults, without the arguments of the default data module.

        jsonargparse would hand those that a chosen one has too on to it, as if they had been chosen; what is left open
        it fills in at the end.
        """
        defaults = super().get_defaults(*args, **kwargs)
        if isinstance(defaults.get("data"), Namespace):
            defaults["data"] = Namespace(class_path=defaults["data"]["class_path"])
        return defaults

    def parse_object(
        self,
        obj: Any,
        namespace: Namespace | None = None,
        env: bool | None = None,
        defaults: bool = True,
        **kwargs: Any,
    ) -> Namespace:
        """Parse as jsonargparse does, but without the arguments of a default class that another one replaces.

        Where a model's optimizer is AdamW by default and Adam was chosen, jsonargparse hands on all that both know:
        Adam would take over AdamW's weight decay of 0.01, which nobody chose and which in Adam is another thing. What
        was chosen, by a recipe or a flag, is handed on (jsonargparse issue 460).
        """
        with self._defaults_of_chosen_classes(obj if defaults else {}):
            return super().parse_object(obj, namespace, env=env, defaults=defaults, **kwargs)

    @contextmanager
    def _defaults_of_chosen_classes(self, chosen: Any) -> Iterator[None]:
        """Meanwhile let the default for each class in ``chosen`` be that class, with its own defaults."""
        former = {}
        for key, value in (chosen if isinstance(chosen, dict) else vars(chosen)).items():
            name = value.get("class_path") if isinstance(value, dict | Namespace) else value
            default = self._default_class(key)
            if default is not None and isinstance(name, str) and name != default["class_path"]:
                former[key] = default
                self.set_defaults({key: {"class_path": name}})
        try:
            yield
        finally:
            self.set_defaults(former)

    def _default_class(self, key: str) -> Any:
        try:
            default = self.get_default(key)
        except KeyError:
            return None
        return default if isinstance(default, dict | Namespace) and "class_path" in default else None


def add_help(parser: DigitsParser) -> None:
    """Add --help, which waits until the whole command line was read, so that it can tell of the model named in it."""
    parser.add_argument(
        "-h", "--help", action="store_true", default=argparse.SUPPRESS, help="Show this, and what a named model takes."
    )


def print_help(parser: DigitsParser, config: Namespace) -> None:
    """Print the options of the verb, then those of the classes that ``config`` names for model and data."""
    parser.print_help()
    for key in ("model", "data"):
        if config.get(key) is not None:
            print()  # noqa: T201 - the command line's own output
            try:
                parser.parse_args([f"--{key}.help={config[key]['class_path']}"])
            except SystemExit:  # which is how jsonargparse ends what it prints
                continue
