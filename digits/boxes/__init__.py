"""Boxes around digits, in NumPy alone: what a finder's answer means, and the order of reading."""

from digits.boxes.candidates import STRIDE, UNIT, Candidates, decode, unite
from digits.boxes.lines import gaps, in_lines, line_angle

__all__ = ["STRIDE", "UNIT", "Candidates", "decode", "gaps", "in_lines", "line_angle", "unite"]
