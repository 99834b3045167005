"""What was learned: calibration, robustness, and pictures of evaluations."""

from digits.evaluation.calibration import fit_temperature
from digits.evaluation.corruptions import MNIST_C
from digits.evaluation.distortions import DISTORTIONS, Distortion
from digits.evaluation.non_digits import non_digits
from digits.evaluation.pictures import confusion_matrix_figure, mistakes_figure, to_pixels
from digits.evaluation.robustness import Trial, measure_robustness, robustness_table
from digits.evaluation.robustness_figure import robustness_figure

__all__ = [
    "DISTORTIONS",
    "MNIST_C",
    "Distortion",
    "Trial",
    "confusion_matrix_figure",
    "fit_temperature",
    "measure_robustness",
    "mistakes_figure",
    "non_digits",
    "robustness_figure",
    "robustness_table",
    "to_pixels",
]
