"""Paths as users write them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from digits.errors import UserError


def expand(path: str | Path) -> Path:
    """``path`` with a leading ``~`` and each ``$NAME`` or ``${NAME}`` filled in; raises UserError for an unset one."""
    expanded = os.path.expandvars(Path(path).expanduser())
    if unset := re.search(r"\$(\w+|\{\w+\})", expanded):
        raise UserError(f"the path {path} names the environment variable {unset[1].strip('{}')}, which is not set")
    return Path(expanded)
