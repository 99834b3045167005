"""An ONNX file as a model like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digits.errors import UserError
from digits.models.base import DigitClassifier
from digits.onnx_network import OnnxNetwork


class OnnxModel(DigitClassifier):
    """Answers with the network in an ONNX file, which brings its temperature and all else with it.

    Args:
        path: A file that ``python -m digits export`` wrote.

    """

    is_trained = True
    arguments_that_name_files = ("path",)

    def __init__(self, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = nn.Identity()
        self.file = OnnxNetwork(Path(path))
        self._name_classes(self.file.class_names)
        self._chose_classes = "class_names" in self.file.about

    def forward(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self.file.logits(images.numpy(force=True))).to(images.device)

    def configure_optimizers(self) -> Any:
        raise UserError("an ONNX file cannot be trained further; resume from a checkpoint")
