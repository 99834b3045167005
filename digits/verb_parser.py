"""The command line of the verbs that are not Lightning's."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from digits.errors import UserError, did_you_mean


class VerbParser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints are one line with a remedy."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(
            prog=f"python -m digits {verb}",
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (--[^\s=]+)", message)
        if unknown:
            options = [option for action in self._actions for option in action.option_strings]
            message = f"unknown option {unknown[1]!r}; {did_you_mean(unknown[1], options)}"
        raise UserError(f"{message} (see `{self.prog} --help`)")
