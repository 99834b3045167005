"""Pages composed of digits, for finding them."""

from digits.data.pages.composer import ComposedPage, Composer
from digits.data.pages.datamodule import PageBatch, PagesDataModule
from digits.data.pages.sprites import Sprites, load_sprites

__all__ = ["ComposedPage", "Composer", "PageBatch", "PagesDataModule", "Sprites", "load_sprites"]
