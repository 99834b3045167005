"""What a command line of ``fit`` means, without acting on it."""

from __future__ import annotations

from typing import Any

from digits.cli.settings import SettingsCLI
from digits.training import plain


class _Settings(SettingsCLI):
    """Parses and checks, and nothing else."""

    def _set_seed(self) -> None:
        """Nothing is drawn."""

    def instantiate_classes(self) -> None:
        """Nothing is built."""


def resolve(arguments: list[str]) -> dict[str, Any]:
    """The whole configuration that ``fit`` would take from ``arguments``, which do not begin with the verb.

    Raises UserError where fit would refuse to parse them.
    """
    settings = _Settings(["fit", *arguments])
    return plain(settings.parser, settings.config)
