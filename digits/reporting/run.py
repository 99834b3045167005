"""A finished run, read from its folder."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from digits.data import DigitImages, DigitsDataModule
from digits.errors import UserError
from digits.evaluation import answer
from digits.models import DigitClassifier, Predictions, load_model
from digits.training import data_of, tested_checkpoint


@dataclass(frozen=True)
class Run:
    """What a run was, and its answers to the images that it is judged by.

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
        return f"{self.folder.parent.name} {self.folder.name.removeprefix('version_')}"

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def operations(self) -> int:
        """Floating-point operations to answer for one image, as torch counts them: two for a product and its sum."""
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.model(torch.zeros(1, 1, 28, 28))
        return counter.get_total_flops()


def find_run(folder: Path) -> Path:
    """The folder of a finished run: ``folder``, or the newest run of an experiment's; raises UserError."""
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist; give the folder of a run, like runs/cnn/version_0")
    runs = [folder, *sorted(folder.glob("version_*"), key=lambda path: path.stat().st_mtime, reverse=True)]
    finished = next((run for run in runs if (run / "metrics.json").is_file()), None)
    if finished is None:
        raise UserError(
            f"{folder} holds no finished run, which has a metrics.json; finish one with `fit --ckpt_path last`"
        )
    return finished.resolve()


def read_run(folder: Path, data: DigitsDataModule | None = None) -> Run:
    """Read a finished run and let its tested checkpoint answer again.

    ``data`` are the run's, where they are in memory already. Raises UserError where files are missing, or where the
    data here are not those that the run's figures are of.
    """
    metrics = json.loads((folder / "metrics.json").read_text())
    with (folder / "metrics.csv").open(newline="") as file:
        epochs = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    if data is None:
        data = data_of(metrics)
    model = load_model(tested_checkpoint(folder))
    split = "test" if data.has_labelled_test_set else "val"
    judged = data.digits.test if split == "test" else data.train_images()
    assert judged is not None
    indices = torch.arange(len(judged)) if split == "test" else data.validation_indices
    return Run(
        folder, metrics, epochs, model, data.train_images(), split, judged.images, answer(model, judged, indices)
    )
