"""What is written on a picture: its ink, the marks that the strokes make, and each brought into MNIST's form.

Needs neither torch nor a network, so that the data that a network is trained on and what it reads later can be made
alike.
"""

from digits.strokes.character import shrink, single_character
from digits.strokes.crops import center
from digits.strokes.ink import FAINTEST, find_ink, is_light_on_dark
from digits.strokes.marks import Mark, find_marks, in_lines, join, line_angle, split, usual_height
from digits.strokes.rules import erase_rules, rule_angle

__all__ = [
    "FAINTEST",
    "Mark",
    "center",
    "erase_rules",
    "find_ink",
    "find_marks",
    "in_lines",
    "is_light_on_dark",
    "join",
    "line_angle",
    "rule_angle",
    "shrink",
    "single_character",
    "split",
    "usual_height",
]
