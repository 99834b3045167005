"""YAML that users give: read in one place, where what is no YAML, or far too much of it, is named in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from digits.errors import UserError

_LARGEST, _MOST_VALUES, _DEEPEST = 500_000, 100_000, 50


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; raises UserError naming what is wrong with it."""
    try:
        if path.stat().st_size > _LARGEST or not path.is_file():
            raise UserError(f"{path} is no configuration: that is a text file of at most {_LARGEST:,} bytes")
        content = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not valid YAML: it is not text in UTF-8") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UserError(f"{path} is no configuration: it must map names to values")
    return content


def parse_yaml(text: str) -> Any:
    """What a YAML text says; raises yaml.YAMLError where it is none, nested too deeply, or too large once expanded.

    An alias may repeat what holds aliases: a few lines can stand for billions of values, which whoever walks through
    them would see one by one.
    """
    check_size(text)
    try:
        return yaml.safe_load(text)
    except (ValueError, AttributeError, TypeError, KeyError) as error:  # PyYAML's, of what a tag promises and is not
        raise yaml.YAMLError(str(error)) from None


def check_size(text: str) -> None:
    """Raise yaml.YAMLError for a text that would expand without measure."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # Events come one by one, so that no structure is built before its depth is known.
    depth, sizes, open_nodes = 0, dict[str, int](), list[list[Any]]()
    for event in yaml.parse(text, Loader=loader):
        size = 0
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            open_nodes.append([event.anchor, 1])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            anchor, size = open_nodes.pop()
            if anchor:
                sizes[anchor] = size
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise yaml.YAMLError(f"the alias *{event.anchor} stands for nothing, or for what it is part of")
            size = sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
            if event.anchor:
                sizes[event.anchor] = 1
        if open_nodes:
            open_nodes[-1][1] += size
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"it is nested more than {_DEEPEST} deep")
        if size > _MOST_VALUES or (open_nodes and open_nodes[-1][1] > _MOST_VALUES):
            raise yaml.YAMLError(f"it stands for more than {_MOST_VALUES:,} values")
