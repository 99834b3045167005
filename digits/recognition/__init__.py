"""From pictures of handwriting to digits, with a network that comes with the package."""

from digits.recognition.annotation import annotate
from digits.recognition.explanation import attribute, explain
from digits.recognition.pictures import FORMATS, MAX_PIXELS, Picture, load_grey
from digits.recognition.pretrained import WEIGHTS, load_pretrained
from digits.recognition.recognizer import LAYOUTS, Page, Reading, Recognizer

__all__ = [
    "FORMATS",
    "LAYOUTS",
    "MAX_PIXELS",
    "WEIGHTS",
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
