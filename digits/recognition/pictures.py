"""Pictures as they come, made into grey."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from digits.errors import UserError

try:  # the extra for phones' HEIC
    from pillow_heif import register_heif_opener
except ImportError:
    READS_HEIC = False
else:
    register_heif_opener()
    READS_HEIC = True

Picture = str | Path | bytes | Image.Image | np.ndarray
MAX_PIXELS = 25_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", *(["HEIF"] if READS_HEIC else []))
"""What is read; Pillow's other decoders, some of which start programs, are never asked."""


def load_grey(picture: Picture) -> np.ndarray:
    """``(H, W)`` float32 in 0 (black) to 1 (white), turned as EXIF says, on white where it is transparent.

    Arrays are ``(H, W)`` or ``(H, W, 3)``, uint8 or floating in 0…1. Raises UserError for what is not a picture, or one
    of more than 25 megapixels.
    """
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    if isinstance(picture, Image.Image):
        return _from_image(picture)
    name = "the picture" if isinstance(picture, bytes) else str(picture)
    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=FORMATS) as image:
            return _from_image(image)
    except FileNotFoundError:
        raise UserError(f"{name} does not exist") from None
    except Image.DecompressionBombError:
        raise UserError(f"{name} has too many pixels; at most {MAX_PIXELS // 1_000_000} megapixels are read") from None
    except UnidentifiedImageError:
        if not READS_HEIC and name.lower().endswith((".heic", ".heif")):
            raise UserError(f"{name} is HEIC, for which an extra is needed: pip install 'digits[heic]'") from None
        raise UserError(f"{name} is not a picture that can be read; give JPEG, PNG, WebP, BMP, GIF or TIFF") from None
    except UserError:
        raise
    except Exception as error:  # torn files make Pillow's decoders raise every kind
        raise UserError(f"{name} cannot be read: {error}") from None


def _from_image(image: Image.Image) -> np.ndarray:
    if image.width * image.height > MAX_PIXELS:
        raise UserError(
            f"the picture has {image.width}×{image.height} pixels; "
            f"at most {MAX_PIXELS // 1_000_000} megapixels are read"
        )
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I;16", "I", "F"):
        values = np.asarray(image, dtype=np.float32)
        return values / max(float(values.max()), 1.0)
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return np.asarray(image.convert("L"), dtype=np.float32) / 255


def _from_array(values: np.ndarray) -> np.ndarray:
    if values.ndim == 3 and values.shape[2] in (3, 4):
        values = values[..., :3].mean(axis=2) if values.dtype.kind == "f" else values[..., :3].mean(axis=2) / 255
    elif values.dtype.kind != "f":
        values = values / 255
    if values.ndim != 2 or 0 in values.shape:
        raise UserError(f"a picture is an array (H, W) or (H, W, 3), not {values.shape}")
    return values.astype(np.float32)
