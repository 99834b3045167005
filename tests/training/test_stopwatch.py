import time

import pytorch_lightning as pl
import torch

from digits.data import DigitsDataModule
from digits.models import MLP
from digits.training import Stopwatch


class SlowValidation(pl.Callback):
    def on_validation_end(self, trainer, pl_module):
        time.sleep(0.5)


def test_validations_are_told_from_training():
    stopwatch = Stopwatch()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=3,
        callbacks=[SlowValidation(), stopwatch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(MLP(hidden=[8]), datamodule=DigitsDataModule(source="uci"))
    assert stopwatch.seconds > 1.5
    assert 0 < stopwatch.training_seconds < stopwatch.seconds - 1.5
    resumed = Stopwatch()
    resumed.load_state_dict(stopwatch.state_dict())
    assert torch.isclose(torch.tensor(resumed.training_seconds), torch.tensor(stopwatch.training_seconds))
