"""Picture files of every kind, made into grey: for training, prediction and reading alike.

Nothing here needs torch, so that a machine that reads with an .onnx file can do without it.
"""

from __future__ import annotations

import io
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

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
"""The most that is read of bytes, which may come from anybody."""
MAX_SCANS = 100
"""Of a JPEG. Encoders make about ten; each goes over the whole picture again, however few bytes it is."""
MAX_PIXELS_OF_FILE = 89_000_000
"""The most that is read of files: phones take 48 megapixels. Beyond 89 Pillow suspects an attack."""
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", *(["HEIF"] if READS_HEIC else []))
"""What is read; Pillow's other decoders, some of which start programs, are never asked."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif")
"""By which pictures are found in folders."""

_REMEDY = "give JPEG, PNG, WebP, BMP, GIF or TIFF"
_SIGNATURES = {"EPS": (b"%!PS", b"\xc5\xd0\xd3\xc6"), "PDF": (b"%PDF",), "SVG": (b"<svg", b"<?xml")}
"""How files begin that people take for pictures and that are not read."""
_HEIC_BRANDS = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc")
_KINDS = {stat.S_ISDIR: "folder", stat.S_ISFIFO: "pipe", stat.S_ISSOCK: "socket"}
_WHITES_OF_INTEGERS = (255, 1023, 4095, 16383, 65535, 2**31 - 1)
_WHITES_OF_FLOATS = (1, 255, 65535)
_OF_ONE_COLOUR = 0.3
"""What is opaque is ink alone if its grey spreads by less than this; otherwise it has paper of its own."""

_SAMPLE = 100_000
"""Pixels that are enough to know what is opaque by."""

# Sizes are checked, and pictures that are too large named, before anything is decoded.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def is_picture_name(path: Path) -> bool:
    """Whether a file in a folder is a picture by its name; what systems hide there, like ``._a.png``, is none."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def load_grey(picture: Picture, max_pixels: int | None = None) -> np.ndarray:
    """``(H, W)`` float32 in 0 (black) to 1 (white), turned as EXIF says; of several frames the first.

    What is transparent becomes as the paper is: like the most of the picture that can be seen, or, where that is ink
    alone, black or white, whichever contrasts. Where a file has no fixed white, as TIFF's integers of 16 and 32 bits
    and floats have none, it is the least usual one (8, 10, 12, 14 or 16 bits full; 1.0, 255 or 65535) that no pixel
    exceeds. Arrays are ``(H, W)``, ``(H, W, 3)`` or, with opacity, ``(H, W, 4)``, of any integers or floats.

    Raises UserError, which names the file, for what is not a picture, one whose pixels are no numbers or below 0, or
    one of more than ``max_pixels``, which are MAX_PIXELS of bytes and MAX_PIXELS_OF_FILE otherwise.
    """
    if max_pixels is None:
        max_pixels = MAX_PIXELS if isinstance(picture, bytes) else MAX_PIXELS_OF_FILE
    name = str(picture) if isinstance(picture, str | Path) else "the picture"
    try:
        if isinstance(picture, np.ndarray):
            return _from_array(picture)
        if isinstance(picture, Image.Image):
            return _from_image(picture, max_pixels)
        if not isinstance(picture, bytes):
            _check_is_file(Path(picture))
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=FORMATS) as image:
            return _from_image(image, max_pixels)
    except _Unusable as error:
        raise UserError(f"{name} {error}") from None
    except Image.DecompressionBombError:
        raise UserError(f"{name} has too many pixels; at most {max_pixels // 1_000_000} megapixels are read") from None
    except UnidentifiedImageError:
        raise UserError(f"{name} {_why_unidentified(picture)}") from None
    except Exception as error:  # torn files make Pillow's decoders raise every kind
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UserError(f"{name} cannot be read: {reason}") from None


class _Unusable(Exception):  # noqa: N818 - becomes a UserError
    """Why a picture is refused, to be put behind its name."""


def _check_is_file(path: Path) -> None:
    """Opening a pipe would wait for its other end, and some devices never end."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise _Unusable("does not exist") from None
    if not stat.S_ISREG(mode):
        kind = next((kind for is_kind, kind in _KINDS.items() if is_kind(mode)), "device")
        raise _Unusable(f"is a {kind}, not a picture's file")


def _why_unidentified(picture: Picture) -> str:
    if isinstance(picture, bytes):
        start = picture[:64]
    else:
        assert isinstance(picture, str | Path)
        with Path(picture).open("rb") as file:
            start = file.read(64)
    looks_heic = start[4:12] in _HEIC_BRANDS or str(picture).lower().endswith((".heic", ".heif"))
    if not READS_HEIC and looks_heic:
        return "is HEIC, for which an extra is needed: pip install 'digits[heic]'"
    for kind, signatures in _SIGNATURES.items():
        if start.lstrip().startswith(signatures):
            return f"is {kind}, which is not read; {_REMEDY}"
    return f"is not a picture that can be read; {_REMEDY}"


def _from_image(image: Image.Image, max_pixels: int) -> np.ndarray:
    if image.width * image.height > max_pixels:
        raise _Unusable(
            f"has {image.width}×{image.height} pixels; at most {max_pixels // 1_000_000} megapixels are read"
        )
    _check_scans(image)
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # otherwise it would be copied
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _scaled(np.asarray(image))
    if image.has_transparency_data:
        red, green, blue, opacity = image.convert("RGBA").split()
        return _on_paper(_unit(Image.merge("RGB", (red, green, blue)).convert("L")), _unit(opacity))
    return _unit(image.convert("L"))


def _check_scans(image: Image.Image) -> None:
    file = getattr(image, "fp", None)
    if image.format not in ("JPEG", "MPO") or file is None:
        return
    place = file.tell()
    file.seek(0)
    scans = file.read().count(b"\xff\xda")  # which coded data never holds
    file.seek(place)
    if scans > MAX_SCANS:
        raise _Unusable(f"is a JPEG of {scans:,} scans; at most {MAX_SCANS} are read")


def _unit(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float32) / 255


def _from_array(values: np.ndarray) -> np.ndarray:
    channels = values.shape[2] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or channels not in (1, 3, 4) or 0 in values.shape or values.dtype.kind not in "buif":
        raise _Unusable(
            f"must be an array (H, W), (H, W, 3) or (H, W, 4) of numbers, not {values.shape} {values.dtype}"
        )
    scaled = values.astype(np.float32) if values.dtype == bool else _scaled(values)
    if values.ndim == 2:
        return scaled
    grey = scaled[..., :3].mean(axis=2)
    return _on_paper(grey, scaled[..., 3]) if channels == 4 else grey


def _scaled(values: np.ndarray) -> np.ndarray:
    """Float32 in 0…1."""
    if values.dtype == np.uint8:
        return values.astype(np.float32) / 255
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise _Unusable("has pixels that are no numbers (NaN or infinite)")
    is_float = values.dtype.kind == "f"
    slack = 1.01 if is_float else 1.0  # resampling overshoots
    whites = _WHITES_OF_FLOATS if is_float else _WHITES_OF_INTEGERS
    white = next((white for white in whites if high <= slack * white), high)
    if low < white * (1 - slack):
        raise _Unusable(f"has pixels below 0 ({low:g}), so that nobody knows what is black")
    return np.clip(values / white, 0, 1).astype(np.float32)


def _on_paper(grey: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    visible = grey[opacity > 0.5]
    if visible.size == 0:
        return np.ones_like(grey)
    low, middle, high = np.quantile(visible[:: max(1, visible.size // _SAMPLE)], (0.05, 0.5, 0.95))
    is_ink_alone = high - low < _OF_ONE_COLOUR
    paper = float(middle <= 0.5) if is_ink_alone else middle
    return (grey * opacity + paper * (1 - opacity)).astype(np.float32)
