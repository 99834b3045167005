"""What TensorBoard shows beyond curves."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import Tensor

from digits.data import DigitsDataModule
from digits.evaluation import confusion_matrix_figure, features_of, mistakes_figure, to_pixels
from digits.models import DigitClassifier


class RunCurves(TensorBoardLogger):
    """Lightning's TensorBoard logger, writing into the folder of a run.

    Args:
        run: ``<runs_dir>/<experiment>/version_<n>``.
        resumed_step: The optimizer step that the run resumes at; what was written beyond it is hidden, so that the
            curves stay single.

    """

    def __init__(self, run: Path, resumed_step: int | None = None) -> None:
        super().__init__(
            str(run.parent.parent),
            name=run.parent.name,
            version=run.name,
            default_hp_metric=False,
            purge_step=resumed_step,
        )

    @rank_zero_only
    def save(self) -> None:
        """Flush the events. (Lightning would also write hparams.yaml; config.yaml says more.)"""
        self.experiment.flush()


class EvaluationPictures(Callback):
    """After each validation, draws its confusion matrix, its most confident mistakes and precision against recall."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        logger = find_curves(trainer)
        if logger is not None and trainer.is_global_zero:
            charts = {name: ["Multiline", [f"^train/{name}$", f"^val/{name}$"]] for name in ("loss", "accuracy")}
            logger.experiment.add_custom_scalars({"training and validation": charts})

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        logger = find_curves(trainer)
        if logger is None or trainer.sanity_checking or not trainer.is_global_zero:
            return
        if not isinstance(pl_module, DigitClassifier):  # whose answers are not one digit an image
            return
        assert pl_module.predictions is not None
        step = trainer.global_step - 1  # that of the figures; a resume at global_step drops what lies beyond
        matrix = pl_module.predictions.confusion_matrix
        pictures = {"confusion_matrix": confusion_matrix_figure(matrix, pl_module.class_names)}
        if isinstance(trainer.datamodule, DigitsDataModule):
            images = trainer.datamodule.train_images().images
            pictures["mistakes"] = mistakes_figure(images, pl_module.predictions)
        for name, figure in pictures.items():
            logger.experiment.add_image(f"val/{name}", to_pixels(figure), step, dataformats="HWC")
        probabilities, labels = pl_module.predictions.probabilities, pl_module.predictions.labels
        for place, (name, column) in enumerate(zip(pl_module.class_names, probabilities.T, strict=True)):
            logger.experiment.add_pr_curve(f"val_precision_recall/{name}", labels == place, column, step)


def show_model(logger: RunCurves, model: DigitClassifier, images: Tensor, labels: Tensor, step: int) -> None:
    """Show the model's graph, and in the Projector what its last layer is given for ``images`` ``(N, 1, 28, 28)``.

    ``labels`` ``(N,)`` are the true classes; ``step`` is the optimizer step that the weights are of.
    """
    names = [model.class_names[label] for label in labels.tolist()]
    thumbnails = 1 - images.float() / 255
    logger.experiment.add_embedding(features_of(model, images), names, thumbnails, step, tag="test_digits")
    try:
        logger.experiment.add_graph(model, images[:1].to(model.device).float() / 255)
    except RuntimeError as error:  # of torch.jit.trace, which cannot follow every model
        warnings.warn(f"TensorBoard's Graphs tab stays empty: {str(error).splitlines()[0]}", stacklevel=2)


def find_curves(trainer: Trainer) -> RunCurves | None:
    """The trainer's TensorBoard logger, if it has one."""
    return next((logger for logger in trainer.loggers if isinstance(logger, RunCurves)), None)
