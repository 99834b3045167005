"""Trained networks as files that answer the same without this package's training, checked against it."""

from digits.exporting.card import write_card
from digits.exporting.check import Check, agreement, compare, golden_images, speed
from digits.exporting.onnx_file import write_onnx
from digits.exporting.program import write_program
from digits.exporting.quantization import write_int8
from digits.exporting.subject import Subject, read_subject
from digits.exporting.weights import write_weights

__all__ = [
    "Check",
    "Subject",
    "agreement",
    "compare",
    "golden_images",
    "read_subject",
    "speed",
    "write_card",
    "write_int8",
    "write_onnx",
    "write_program",
    "write_weights",
]
