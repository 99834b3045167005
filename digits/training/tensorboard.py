"""What TensorBoard shows beyond curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from digits.data import DigitsDataModule
from digits.evaluation import confusion_matrix_figure, mistakes_figure, to_pixels
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
    """After each validation, draws its confusion matrix and its most confident mistakes."""

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        logger = find_curves(trainer)
        if logger is None or trainer.sanity_checking or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, DigitClassifier)
        assert pl_module.predictions is not None
        pictures = {"confusion_matrix": confusion_matrix_figure(pl_module.predictions.confusion_matrix)}
        if isinstance(trainer.datamodule, DigitsDataModule):
            images = trainer.datamodule.train_images().images
            pictures["mistakes"] = mistakes_figure(images, pl_module.predictions)
        for name, figure in pictures.items():
            logger.experiment.add_image(f"val/{name}", to_pixels(figure), trainer.global_step, dataformats="HWC")


def find_curves(trainer: Trainer) -> RunCurves | None:
    """The trainer's TensorBoard logger, if it has one."""
    return next((logger for logger in trainer.loggers if isinstance(logger, RunCurves)), None)
