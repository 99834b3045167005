"""From a source of digits to batches on the model's device."""

from digits.data.augmentation import Augmentation, EachImage, InOrder, RandomAffine, RandomElastic
from digits.data.datamodule import DigitsDataModule
from digits.data.images import Batch, DigitImages, Digits, as_batch
from digits.data.pages import PagesDataModule
from digits.data.seeded_loader import SeededLoader
from digits.data.sources import SOURCES, DataNotFoundError, Source, default_data_dir, find_source, is_known_source

__all__ = [
    "SOURCES",
    "Augmentation",
    "Batch",
    "DataNotFoundError",
    "DigitImages",
    "Digits",
    "DigitsDataModule",
    "EachImage",
    "InOrder",
    "PagesDataModule",
    "RandomAffine",
    "RandomElastic",
    "SeededLoader",
    "Source",
    "as_batch",
    "default_data_dir",
    "find_source",
    "is_known_source",
]
