"""ONNX files in whole numbers of eight bits."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

from digits.exporting.folding import spread_rows
from digits.exporting.onnx_file import describe, write_onnx
from digits.exporting.subject import Answering

_BATCH = 100


class _Images(CalibrationDataReader):
    """Hands out images, a batch at a time."""

    def __init__(self, images: Tensor) -> None:
        self._batches = iter(images.split(_BATCH))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch.numpy()}


def write_int8(answering: Answering, path: Path, about: dict[str, Any], images: Tensor) -> None:
    """Write the network to an ONNX file with weights and activations in int8.

    The ranges of activations are those that occur with ``images`` ``(N, 1, 28, 28)`` uint8, training images; each
    output channel of the weights has a range of its own (Jacob et al. 2018, sections 2 and 3).
    """
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # to which onnxruntime recommends itself
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, prepared = Path(folder, "source.onnx"), Path(folder, "prepared.onnx")
            write_onnx(spread_rows(answering), source, about)
            quant_pre_process(source, prepared, skip_symbolic_shape=True)  # which stumbles over the batch
            quantize_static(
                prepared,
                path,
                _Images(answering.prepare(images)),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                op_types_to_quantize=["Conv", "Gemm", "MatMul", "MaxPool", "GlobalMaxPool", "Relu", "Reshape"],
            )
    finally:
        root.setLevel(level)
    describe(path, answering, about)
