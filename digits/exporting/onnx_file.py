"""Networks as ONNX files."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import onnxscript  # noqa: F401 - torch.onnx asks for it, when it is too late to say so
import torch

from digits.classes import describe_classes
from digits.exporting.folding import fold_normalization
from digits.exporting.subject import Answering


def write_onnx(answering: Answering, path: Path, about: dict[str, Any]) -> None:
    """Write the network to one file, for batches of any size, normalization within it.

    The input is called ``images``, the output ``logits`` or ``probabilities``; ``about`` goes into the file's metadata.
    """
    with _quietly():
        torch.onnx.export(
            fold_normalization(answering),
            (answering.example,),
            path,
            dynamo=True,
            input_names=["images"],
            output_names=[answering.form["output"]],
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
            external_data=False,
            verbose=False,
        )
    describe(path, answering, about)


def describe(path: Path, answering: Answering, about: dict[str, Any]) -> None:
    """Put what there is to know into the metadata of an ONNX file: plain lines for people, one JSON for programs."""
    content = onnx.load(path)
    form = answering.form
    accuracy = about["figures"].get("test/accuracy")
    lines = {
        "labels": _in_one_line(form["class_names"]),
        "input": form["input_meaning"],
        "output": form["output"],
        "accuracy": "not known" if accuracy is None else f"{100 * accuracy:.2f} % of the test images",
        "data": about["data"]["source"],
        "commit": str(about["commit"]),
        "digits": json.dumps({**about, **form}),
    }
    del content.metadata_props[:]
    onnx.helper.set_model_props(content, lines)
    content.doc_string = f"Tells {describe_classes(form['class_names'])} apart: see the metadata."
    onnx.save(content, path)


def _in_one_line(names: list[str]) -> str:
    """Names between spaces; as JSON where one of them holds a space itself."""
    return json.dumps(names, ensure_ascii=False) if any(" " in name for name in names) else " ".join(names)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporters' remarks about themselves."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
