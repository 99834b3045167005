"""The figures at the end of a run, and the files that hold them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.utilities.model_helpers import is_overridden

from digits.data import DigitsDataModule
from digits.models import DigitClassifier, Predictions
from digits.replacing import replacing
from digits.seeding import run_seed
from digits.training.provenance import provenance
from digits.training.run import Run


def evaluate(
    trainer: Trainer, model: LightningModule, data: LightningDataModule, split: str, checkpoint: Path | None
) -> dict[str, float]:
    """Run ``split`` ("val" or "test") with a checkpoint's weights; its figures, named as in TensorBoard.

    Of a model that is no DigitClassifier they are what it logs. There are none where the model, the data or the
    trainer's limits leave the split out.
    """
    run, step = {"val": (trainer.validate, "validation_step"), "test": (trainer.test, "test_step")}[split]
    if not is_overridden(f"{split}_dataloader", data) or not is_overridden(step, model):
        return {}
    if isinstance(model, DigitClassifier):
        model.predictions = None
    run(model, datamodule=data, ckpt_path=checkpoint, weights_only=True, verbose=False)
    if not isinstance(model, DigitClassifier):
        return {_within(split, name): value.item() for name, value in trainer.callback_metrics.items()}
    if model.predictions is None:
        return {}
    return {f"{split}/{name}": value for name, value in model.predictions.figures().items()}


def _within(split: str, name: str) -> str:
    return name if name.startswith(f"{split}/") else f"{split}/{name}"


def context(data: LightningDataModule) -> dict[str, Any]:
    """What stands beside every figure: the data really used, the seed, the code and the machine.

    Of a data module that is not ours only the class is known.
    """
    known: dict[str, Any] = {"source": name_of(data)}
    if isinstance(data, DigitsDataModule):
        known |= {"offline": data.is_offline, "fingerprint": data.digits.fingerprint}
    return {"seed": data.seed if isinstance(data, DigitsDataModule) else run_seed(), "data": known, **provenance()}


def name_of(data: LightningDataModule) -> str:
    """The source that was really used, or the class path of a data module that is not ours."""
    return (
        data.digits.source if isinstance(data, DigitsDataModule) else f"{type(data).__module__}.{type(data).__name__}"
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that is whole or not there."""
    with replacing(path) as file:
        file.write(json.dumps(content, indent=2) + "\n")


def keep_predictions(run: Run, predictions: Predictions, data: LightningDataModule) -> list[Path]:
    """Write a run's predictions.csv and, of Kaggle's files, submission.csv; returns what was written."""
    test = data.digits.test if isinstance(data, DigitsDataModule) else None
    names = {} if test is None or test.names is None else {"file": test.names}
    written = [run.predictions_file]
    write_predictions(written[0], predictions, **names)
    if name_of(data) == "csv":
        written.append(run.submission_file)
        write_submission(written[1], predictions)
    return written


def write_predictions(path: Path, predictions: Predictions, **more: Sequence[Any]) -> None:
    """Write predictions.csv: index, label (predicted), confidence, p0…p9, and columns with ``more`` for each image.

    The columns of probabilities are named as the classes, after a p.
    """
    probabilities = predictions.probabilities
    confidences, answers = probabilities.max(dim=1)
    with replacing(path) as file:
        writer = csv.writer(file)
        writer.writerow(["index", "label", "confidence", *(f"p{name}" for name in predictions.class_names), *more])
        columns = (predictions.indices, confidences, probabilities)
        rows = zip(predictions.names_of(answers), *(column.tolist() for column in columns), strict=True)
        for (answer, index, confidence, row), *rest in zip(rows, *more.values(), strict=True):
            rounded = [f"{value:.6f}" for value in (confidence, *row)]
            writer.writerow([index, answer, *rounded, *rest])


def write_submission(path: Path, predictions: Predictions) -> None:
    """Write Kaggle's submission.csv: ImageId counts from 1."""
    answers = predictions.names_of(predictions.logits.argmax(dim=1))
    with replacing(path) as file:
        writer = csv.writer(file)
        writer.writerow(["ImageId", "Label"])
        writer.writerows(zip((predictions.indices + 1).tolist(), answers, strict=True))
