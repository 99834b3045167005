"""What was learned: pictures of evaluations."""

from digits.evaluation.pictures import confusion_matrix_figure, mistakes_figure, to_pixels

__all__ = ["confusion_matrix_figure", "mistakes_figure", "to_pixels"]
