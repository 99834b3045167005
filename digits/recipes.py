"""The configurations that come with the package, and how a name or a path becomes the file that is meant."""

from __future__ import annotations

import zipfile
from pathlib import Path

import yaml

from digits.errors import UserError, did_you_mean
from digits.paths import expand
from digits.yaml_files import parse_yaml

# Inside an installed package; beside it in a checkout.
_SHIPPED = next(
    folder for folder in (Path(__file__).parent / "configs", Path(__file__).parents[1] / "configs") if folder.is_dir()
)


def recipe_names() -> list[str]:
    """What ``--config`` takes beside paths: ``cnn``, ``classics/mlp-128``, ``hardware/gpu``…, without the sweeps."""
    names = (path.relative_to(_SHIPPED).with_suffix("").as_posix() for path in _SHIPPED.rglob("*.yaml"))
    return sorted(name for name in names if not name.startswith("sweeps/"))


def find_config(name: str | Path) -> Path:
    """The YAML file with settings that ``name`` means: a path, or the name of a configuration that is shipped.

    Raises UserError where there is none, and where the file is no mapping in YAML.
    """
    path = expand(name)
    if not path.is_file():
        shipped = _SHIPPED / f"{_stem(name)}.yaml"
        if not shipped.is_file():
            raise UserError(f"the configuration {name} does not exist; {_nearest(name)}")
        path = shipped
    if zipfile.is_zipfile(path):
        raise UserError(f"{path} is a checkpoint, not a configuration; give it as --ckpt_path")
    try:
        content = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except (UnicodeDecodeError, OSError) as error:
        raise UserError(f"cannot read {path} as a configuration: {error}") from None
    if not isinstance(content, dict):
        what = "is empty" if content is None else "does not map settings to values"
        raise UserError(f"the configuration {path} {what}")
    return path


def find_space(name: str | Path) -> Path:
    """The file of a sweep's search space: a path, or ``mlp`` or ``sweeps/mlp`` for one that is shipped."""
    path = expand(name)
    shipped = _SHIPPED / "sweeps" / f"{_stem(name).removeprefix('sweeps/')}.yaml"
    return shipped if shipped.is_file() and not path.is_file() else path


def _stem(name: str | Path) -> str:
    return Path(name).as_posix().removeprefix("configs/").removesuffix(".yaml")


def _nearest(name: str | Path) -> str:
    hint = did_you_mean(_stem(name), recipe_names())
    return f"{hint} Shipped: {', '.join(recipe_names())}" if hint.startswith("did") else f"shipped: {hint[13:]}"
