"""What a run tells the study that it is a trial of."""

from __future__ import annotations

import json
import os
from typing import Any

from optuna import Trial, load_study
from optuna.exceptions import UpdateFinishedTrialError
from pytorch_lightning import Callback, LightningModule, Trainer

from digits.errors import UserError
from digits.search.sweeps.storage import open_storage, pruner_named, study_in_reach

TRIAL = "DIGITS_TRIAL"
"""The variable that holds which trial of which study a run is. (A storage's URL may hold a password, which must not
get into the run's config.yaml.)"""
PRUNED = "pruned_after_epoch"


class ReportToTrial(Callback):
    """Tells the study the validation accuracy of each epoch, and ends the run where the study's pruner says so."""

    def __init__(self) -> None:
        self._trial: Trial | None = None
        self._place = ""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and TRIAL in os.environ:
            place = json.loads(os.environ[TRIAL])
            self._place = place["storage"]
            with study_in_reach(self._place):
                study = load_study(
                    study_name=place["study"],
                    storage=open_storage(self._place),
                    pruner=pruner_named(place["pruner"]),
                )
            self._trial = Trial(study, place["trial"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with study_in_reach(self._place):
            is_hopeless = self._trial is not None and self._report(self._trial, trainer)
        trainer.should_stop = trainer.should_stop or trainer.strategy.broadcast(is_hopeless)

    def _report(self, trial: Trial, trainer: Trainer) -> bool:
        accuracy: Any = trainer.callback_metrics.get("val/accuracy")
        if accuracy is None:
            return False
        try:
            trial.report(float(accuracy), trainer.current_epoch)
        except UpdateFinishedTrialError:
            raise UserError("another process has taken over this trial; this run ends") from None
        if not trial.should_prune():
            return False
        trial.set_user_attr(PRUNED, trainer.current_epoch)
        return True
