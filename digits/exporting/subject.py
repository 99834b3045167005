"""What is exported: a trained network, and what is known of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digits import __version__
from digits.data import DigitImages, Digits, default_data_dir, find_source, is_known_source
from digits.errors import UserError
from digits.models import DigitClassifier, describe_network, load_model, read_checkpoint
from digits.paths import expand
from digits.recognition import WEIGHTS, load_pretrained
from digits.training import Run

_FIGURES = ("test/accuracy", "test/loss", "test/ece", "test/coverage_at_0.999", "test/count")


@dataclass(frozen=True)
class Subject:
    """A network and its history: class, figures (empty where none are known), data, seed, commit, configuration."""

    model: DigitClassifier
    about: dict[str, Any]

    @property
    def digits(self) -> Digits:
        """The data that it was trained on, or, where they are not at hand, those inside scikit-learn."""
        data_dir = self.about["config"]["data"].get("data_dir")
        name = self.about["data"]["source"]
        try:
            source = find_source(name if is_known_source(name) else "uci")
            return source.load(expand(data_dir) if data_dir else default_data_dir())
        except UserError:
            return find_source("uci").load(Path())


def read_subject(checkpoint: Path | None) -> Subject:
    """The network in a checkpoint, or the one that comes with the package; raises UserError where there is none."""
    if checkpoint is None:
        known = json.loads(WEIGHTS.with_suffix(".json").read_text())
        return _subject(load_pretrained(), known["config"], known, known["figures"])
    if checkpoint.suffix in (".onnx", ".pt2", ".safetensors"):
        raise UserError(f"{checkpoint} is exported already; give the checkpoint that it was made from")
    config = read_checkpoint(checkpoint)["digits_config"]
    run = Run.of(checkpoint)
    if run is not None and run.is_finished and checkpoint.samefile(run.tested):
        return _subject(load_model(checkpoint), config, run.figures, run.figures)
    return _subject(load_model(checkpoint), config, {}, {})


def _subject(model: DigitClassifier, config: dict[str, Any], known: dict[str, Any], figures: dict[str, Any]) -> Subject:
    about = {
        "digits": __version__,
        **describe_network(model),
        "figures": {name: figures[name] for name in _FIGURES if name in figures},
        "data": known.get("data", {"source": config["data"].get("source", config["data"].get("class_path"))}),
        "seed": known.get("seed", config["seed_everything"]),
        "commit": known.get("commit"),
        "command": known.get("command"),
        "config": config,
    }
    return Subject(model, about)


class Answering(nn.Module):
    """A model with the input and the output that an exported file has.

    Args:
        model: What answers.
        takes_bytes: Images are uint8 in 0…255 instead of float32 in ``[0, 1]``.
        softmax: Answer with probabilities instead of logits.

    """

    def __init__(self, model: DigitClassifier, takes_bytes: bool = False, softmax: bool = False) -> None:
        super().__init__()
        self.model = model.eval()
        self.takes_bytes = takes_bytes
        self.softmax = softmax

    def forward(self, images: Tensor) -> Tensor:
        logits = self.model(images.float() / 255 if self.takes_bytes else images)
        return logits.softmax(dim=1) if self.softmax else logits

    @property
    def form(self) -> dict[str, Any]:
        """How input and output are to be read, for people and programs."""
        return {
            "input": "uint8" if self.takes_bytes else "float32",
            "input_meaning": "images (batch, 1, 28, 28), "
            + ("0 to 255" if self.takes_bytes else "0 to 1")
            + ": ink is high, paper is 0; centred as MNIST's are",
            "output": "probabilities" if self.softmax else "logits",
            "class_names": list(self.model.class_names),
        }

    def prepare(self, images: Tensor) -> Tensor:
        """Uint8 images ``(N, 1, 28, 28)`` in the form that this takes."""
        return images if self.takes_bytes else images.float() / 255

    @property
    def example(self) -> Tensor:
        """Two images, as an exporter wants to see them."""
        return self.prepare(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


def judged_images(digits: Digits) -> DigitImages:
    """The labelled images that a network is judged by: the test images, or the training images of a source without."""
    if digits.test is not None and digits.test.labels is not None:
        return digits.test
    assert digits.train is not None
    return digits.train
