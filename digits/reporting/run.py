"""A finished run, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from digits.data import DigitImages, DigitsDataModule
from digits.evaluation import answer
from digits.models import DigitClassifier, Predictions
from digits.training import Run


@dataclass(frozen=True)
class JudgedRun:
    """What a finished run was, and its answers to the images that it is judged by.

    ``split`` says which these are: "test", or "val" where the source has no labelled test images. The indices of
    ``predictions`` are rows of ``images`` ``(N, 1, 28, 28)`` uint8. ``epochs`` are the rows of metrics.csv.
    """

    folder: Path
    metrics: dict[str, Any]
    epochs: list[dict[str, float]]
    model: DigitClassifier
    training: DigitImages
    split: str
    images: Tensor
    predictions: Predictions

    @property
    def name(self) -> str:
        """The experiment and the version, like "cnn 0"."""
        return Run(self.folder).name

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def operations(self) -> int:
        """Floating-point operations to answer for one image, as torch counts them: two for a product and its sum."""
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.model(torch.zeros(1, 1, 28, 28))
        return counter.get_total_flops()


def read_run(run: Run, data: DigitsDataModule | None = None) -> JudgedRun:
    """Read a finished run and let its tested checkpoint answer again.

    ``data`` are the run's, where they are in memory already. Raises UserError where files are missing, or where the
    data here are not those that the run's figures are of.
    """
    metrics, epochs = run.figures, run.curves
    if data is None:
        data = run.data()
    model = run.model()
    split = "test" if data.has_labelled_test_set else "val"
    judged = data.digits.test if split == "test" else data.train_images()
    assert judged is not None
    indices = torch.arange(len(judged)) if split == "test" else data.validation_indices
    return JudgedRun(
        run.folder, metrics, epochs, model, data.train_images(), split, judged.images, answer(model, judged, indices)
    )
