"""What was learned: calibration, robustness, and pictures of evaluations."""

from digits.evaluation.accuracy_figures import (
    accuracies_figure,
    classification_report_figure,
    classification_rows,
    confidence_figure,
    confidence_interval,
    per_digit_accuracy_figure,
)
from digits.evaluation.answers import answer
from digits.evaluation.calibration import fit_temperature
from digits.evaluation.corruptions import MNIST_C
from digits.evaluation.curves import curves_figure, validation_figure
from digits.evaluation.distortions import DISTORTIONS, Distortion
from digits.evaluation.embedding import colour_of, embedding_figure, features_of, map_features
from digits.evaluation.first_layer import first_layer, first_layer_figure
from digits.evaluation.mosaics import (
    differences_figure,
    explanation_figure,
    misclassified_figure,
    sample_digits_figure,
    sample_predictions_figure,
)
from digits.evaluation.non_digits import non_digits
from digits.evaluation.pictures import confusion_matrix_figure, mistakes_figure, to_pixels
from digits.evaluation.robustness import Trial, measure_robustness, robustness_table
from digits.evaluation.robustness_figure import robustness_figure
from digits.evaluation.searches import horizontal_bars_figure, parallel_figure, search_history_figure

__all__ = [
    "DISTORTIONS",
    "MNIST_C",
    "Distortion",
    "Trial",
    "accuracies_figure",
    "answer",
    "classification_report_figure",
    "classification_rows",
    "colour_of",
    "confidence_figure",
    "confidence_interval",
    "confusion_matrix_figure",
    "curves_figure",
    "differences_figure",
    "embedding_figure",
    "explanation_figure",
    "features_of",
    "first_layer",
    "first_layer_figure",
    "fit_temperature",
    "horizontal_bars_figure",
    "map_features",
    "measure_robustness",
    "misclassified_figure",
    "mistakes_figure",
    "non_digits",
    "parallel_figure",
    "per_digit_accuracy_figure",
    "robustness_figure",
    "robustness_table",
    "sample_digits_figure",
    "sample_predictions_figure",
    "search_history_figure",
    "to_pixels",
    "validation_figure",
]
