"""The precision that suits the machine."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.plugins import MixedPrecision, Precision
from torch.backends import mps


def default_precision(accelerator: str) -> Literal["32-true", "bf16-mixed"]:
    """bf16 where the processor multiplies it in hardware, else fp32; ``accelerator`` as the Trainer takes it.

    A CPU without bf16 instructions emulates the format and trains a convolutional network ten times more slowly, so
    the processor's abilities are asked for. On a GPU fp32 is the default; configs/hardware/gpu.yaml chooses bf16.
    """
    is_auto = accelerator == "auto"
    if accelerator not in ("auto", "cpu") or (is_auto and (torch.cuda.is_available() or mps.is_available())):
        return "32-true"
    capabilities = torch.cpu.get_capabilities()
    has_bf16 = capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)
    return "bf16-mixed" if has_bf16 else "32-true"


def clip_without_scaler(trainer: Trainer) -> None:
    """Let gradients be clipped in bf16 with a fused optimizer.

    Lightning refuses that in every mixed precision, because a fused optimizer undoes the scaling of gradients itself,
    after the clipping. In bf16 nothing is scaled.
    """
    plugin = trainer.precision_plugin
    if isinstance(plugin, MixedPrecision) and plugin.scaler is None:
        plugin.clip_gradients = partial(Precision.clip_gradients, plugin)
