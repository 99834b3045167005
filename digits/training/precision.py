"""The precision that suits the machine."""

from __future__ import annotations

from typing import Literal

import torch


def default_precision(device_type: str) -> Literal["32-true", "bf16-mixed"]:
    """bf16 where the processor multiplies it in hardware, else fp32.

    A CPU without bf16 instructions emulates the format and trains a convolutional network ten times more slowly, so
    the processor's abilities are asked for. On a GPU fp32 is the default; configs/hardware/gpu.yaml chooses bf16.
    """
    if device_type != "cpu":
        return "32-true"
    capabilities = torch.cpu.get_capabilities()
    has_bf16 = capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)
    return "bf16-mixed" if has_bf16 else "32-true"
