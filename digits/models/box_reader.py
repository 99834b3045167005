"""Reads what stands in one box of a picture: which digit, or that it is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

NO_DIGIT = 10


class BoxReader(nn.Module):
    """Squares ``(B, 1, 28, 28)`` float32 in grey, of whatever ink and paper, to logits ``(B, 11)``; the last: no digit.

    Args:
        widths: Channels of the stages; each halves the size and, but for the first, has two convolutions.

    """

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for width in widths:
            for channels in (inputs,) if inputs == 1 else (inputs, width):
                convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
                layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            layers.append(nn.MaxPool2d(2))
            inputs = width
        side = 28 >> len(widths)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(inputs * side**2, NO_DIGIT + 1))

    def forward(self, squares: Tensor) -> Tensor:
        mean = squares.mean(dim=(2, 3), keepdim=True)
        deviation = (squares - mean).square().mean(dim=(2, 3), keepdim=True).sqrt()
        return self.layers((squares - mean) / (deviation + 0.02))

    @torch.inference_mode()
    def logits(self, squares: np.ndarray) -> np.ndarray:
        """``(N, 11)`` float32 for ``squares`` ``(N, 1, 28, 28)`` float32: for those who know no torch."""
        return self.eval()(torch.from_numpy(squares)).numpy()


def load_box_reader(path: Path) -> BoxReader:
    """The network whose weights are in ``path``, a .safetensors file, ready to answer."""
    network = BoxReader()
    network.load_state_dict(load_file(path))
    return network.eval()
