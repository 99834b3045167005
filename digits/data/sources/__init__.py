"""Where digits come from: one object for each name that ``data.source`` accepts."""

import sys
from importlib import import_module

from digits.data.sources.base import DataNotFoundError, Source, default_data_dir
from digits.data.sources.folder import FolderSource
from digits.data.sources.idx import IDX_SOURCES
from digits.data.sources.kaggle import CsvSource
from digits.data.sources.memmap import MemmapSource
from digits.data.sources.uci import UciSource
from digits.errors import UserError, did_you_mean
from digits.trust import trusted_class_paths

SOURCES: dict[str, Source] = {
    source.name: source for source in (*IDX_SOURCES, UciSource(), CsvSource(), FolderSource(), MemmapSource())
}


def find_source(name: str) -> Source:
    """The source of that name or class path; raises UserError with the nearest name where there is none."""
    if name in SOURCES:
        return SOURCES[name]
    if "." in name:
        return _build(name)
    raise UserError(f"unknown data source {name!r}; {did_you_mean(name, SOURCES)}")


def is_known_source(name: object) -> bool:
    """Whether a file may name this source: it is ours, or its class was loaded by this program or is trusted."""
    if not isinstance(name, str):
        return False
    module, _, class_name = name.rpartition(".")
    loaded = vars(sys.modules.get(module) or object).get(class_name)
    is_loaded = isinstance(loaded, type) and issubclass(loaded, Source)
    return name in SOURCES or is_loaded or name in trusted_class_paths()


def _build(path: str) -> Source:
    module_name, _, class_name = path.rpartition(".")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise UserError(f"the data source {path!r}: there is no module {error.name!r}") from None
    classes = {name: value for name, value in vars(module).items() if isinstance(value, type) and value is not Source}
    here = [name for name, value in classes.items() if issubclass(value, Source)]
    if class_name not in here:
        raise UserError(
            f"the data source {path!r}: {module_name} has no digits.data.Source of that name; "
            f"{did_you_mean(class_name, here) if here else 'derive the class from it'}"
        )
    try:
        source: Source = classes[class_name]()
    except TypeError as error:
        raise UserError(f"the data source {path!r} cannot be built without arguments: {error}") from None
    source.name = path
    return source


__all__ = ["SOURCES", "DataNotFoundError", "Source", "default_data_dir", "find_source", "is_known_source"]
