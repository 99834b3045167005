"""Networks as torch.export programs."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from digits.exporting.subject import Answering


def write_program(answering: Answering, path: Path) -> None:
    """Write a program that torch alone runs, ``torch.export.load(path).module()``, for batches of any size."""
    with warnings.catch_warnings(action="ignore"):
        program = torch.export.export(
            answering, (answering.example,), dynamic_shapes={"images": {0: torch.export.Dim("batch")}}
        )
        torch.export.save(program, path)
