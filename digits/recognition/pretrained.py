"""The network that comes with the package."""

from __future__ import annotations

from pathlib import Path

from digits.models import DigitClassifier, load_portable

WEIGHTS = Path(__file__).parent / "weights" / "champion.safetensors"
"""scripts/ship_weights.py makes this file; the JSON beside it says from what, and how good it is."""


def load_pretrained() -> DigitClassifier:
    """The shipped network, ready to answer: images ``(B, 1, 28, 28)`` float32 in ``[0, 1]``, ink high, to logits."""
    return load_portable(WEIGHTS)
