"""Train handwritten-digit recognizers from one YAML, and read people's own handwriting with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digits.cli.from_python import fit
    from digits.data import DigitsDataModule, RandomAffine, RandomElastic
    from digits.models import CNN, MLP, DigitClassifier, Ensemble, Predictions
    from digits.recognition import Recognizer
    from digits.training import Run

__version__ = "0.1.0"

_HOMES = {
    "CNN": "digits.models",
    "MLP": "digits.models",
    "DigitClassifier": "digits.models",
    "DigitsDataModule": "digits.data",
    "Ensemble": "digits.models",
    "Predictions": "digits.models",
    "RandomAffine": "digits.data",
    "RandomElastic": "digits.data",
    "Recognizer": "digits.recognition",
    "Run": "digits.training",
    "fit": "digits.cli.from_python",
}

__all__ = [
    "CNN",
    "MLP",
    "DigitClassifier",
    "DigitsDataModule",
    "Ensemble",
    "Predictions",
    "RandomAffine",
    "RandomElastic",
    "Recognizer",
    "Run",
    "__version__",
    "fit",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``python -m digits --help`` need not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
