"""Where digits come from: one object for each name that ``data.source`` accepts."""

from digits.data.sources.base import DataNotFoundError, Source, default_data_dir
from digits.data.sources.folder import FolderSource
from digits.data.sources.idx import IDX_SOURCES
from digits.data.sources.kaggle import CsvSource
from digits.data.sources.memmap import MemmapSource
from digits.data.sources.uci import UciSource
from digits.errors import UserError, did_you_mean

SOURCES: dict[str, Source] = {
    source.name: source for source in (*IDX_SOURCES, UciSource(), CsvSource(), FolderSource(), MemmapSource())
}


def find_source(name: str) -> Source:
    """The source of that name; raises UserError with the nearest name where there is none."""
    try:
        return SOURCES[name]
    except KeyError:
        raise UserError(f"unknown data source {name!r}; {did_you_mean(name, SOURCES)}") from None


__all__ = ["SOURCES", "DataNotFoundError", "Source", "default_data_dir", "find_source"]
