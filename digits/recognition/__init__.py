"""From pictures of handwriting to digits, with a network that comes with the package.

Nothing here needs torch but the shipped network, checkpoints and explanations, which are imported when they are used:
a machine that reads with an .onnx file can do without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from digits.pictures import FORMATS, MAX_PIXELS, Picture, load_grey
from digits.recognition.annotation import annotate
from digits.recognition.recognizer import LAYOUTS, Network, Page, Reading, Recognizer

if TYPE_CHECKING:
    from digits.recognition.explanation import attribute, explain
    from digits.recognition.pretrained import WEIGHTS, load_pretrained

_HOMES = {
    "WEIGHTS": "digits.recognition.pretrained",
    "attribute": "digits.recognition.explanation",
    "explain": "digits.recognition.explanation",
    "load_pretrained": "digits.recognition.pretrained",
}

__all__ = [
    "FORMATS",
    "LAYOUTS",
    "MAX_PIXELS",
    "WEIGHTS",
    "Network",
    "Page",
    "Picture",
    "Reading",
    "Recognizer",
    "annotate",
    "attribute",
    "explain",
    "load_grey",
    "load_pretrained",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
