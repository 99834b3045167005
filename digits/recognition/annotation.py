"""What was read, drawn over the picture it was read from."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digits.recognition.recognizer import Page, Reading

_READ, _REJECTED = "#0b5394", "#b45f06"


def annotate(grey: np.ndarray, page: Page) -> Image.Image:
    """Draw a box and the answer over each digit, and a thin box around what was rejected.

    ``grey`` ``(H, W)`` in 0…1 is the picture as ``load_grey`` gives it, turned as EXIF says.
    """
    picture = Image.fromarray((grey * 255).astype(np.uint8)).convert("RGB")
    drawing = ImageDraw.Draw(picture)
    for line in page.lines:
        for reading in line:
            _draw(drawing, reading, _READ, f"{reading.label}  {100 * reading.confidence:.0f} %")
    for reading in page.rejected:
        _draw(drawing, reading, _REJECTED, "?")
    return picture


def _draw(drawing: ImageDraw.ImageDraw, reading: Reading, colour: str, caption: str) -> None:
    left, top, right, bottom = reading.box
    side = max(right - left, bottom - top)
    drawing.rectangle((left - 2, top - 2, right + 2, bottom + 2), outline=colour, width=max(1, side // 30))
    font = ImageFont.load_default(size=max(10, side // 4))
    drawing.text((left, top - 4), caption, fill=colour, font=font, anchor="lb")
