"""What was learned: calibration, and pictures of evaluations."""

from digits.evaluation.calibration import fit_temperature
from digits.evaluation.pictures import confusion_matrix_figure, mistakes_figure, to_pixels

__all__ = ["confusion_matrix_figure", "fit_temperature", "mistakes_figure", "to_pixels"]
