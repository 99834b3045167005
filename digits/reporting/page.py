"""Pages that need no other file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from digits.errors import UserError
from digits.replacing import replacing

_TEMPLATES = Environment(
    loader=PackageLoader("digits.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


@contextmanager
def folder_for(target: Path) -> Iterator[None]:
    """Make a folder to write into; raises UserError where that, or writing, fails."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UserError(f"cannot write {error.filename or target}: {error.strerror}") from None


def render(path: Path, template: str, **content: Any) -> None:
    """Write a page from one of ``templates/``; what is text in ``content`` stays text in the page."""
    with replacing(path) as file:
        file.write(_TEMPLATES.get_template(template).render(content))
