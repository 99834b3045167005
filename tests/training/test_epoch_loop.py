import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from digits.data import DigitsDataModule, RandomAffine
from digits.models import MLP
from digits.models.base import SchedulerConfig
from digits.training import SeedEachBatch, Trainer
from digits.training.epoch_loop import _is_plain

HOOKS = [name for name in vars(pl.Callback) if name.startswith("on_") and "checkpoint" not in name]


def noting_callback(calls):
    """A callback that notes each of its hooks and what the trainer's counters are then."""

    def note(name):
        def hook(self, trainer, pl_module, *args):
            del self
            loss = args[0]["loss"].item() if name == "on_train_batch_end" else None
            calls.append((name, trainer.global_step, trainer.fit_loop.total_batch_idx, loss, pl_module.training))

        return hook

    return type("Noting", (pl.Callback,), {name: note(name) for name in HOOKS})()


class NotingMLP(MLP):
    def __init__(self, calls, **kwargs):
        super().__init__(hidden=[16], **kwargs)
        self._calls = calls

    def on_before_zero_grad(self, optimizer):
        self._calls.append(("module", self.trainer.global_step))

    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.log("last_index", batch_idx, on_step=True, on_epoch=True)


def train(trainer_class, folder, **settings):
    """A run of a noting model; what was noted, logged and saved."""
    pl.seed_everything(0)
    calls = []
    model = NotingMLP(
        calls,
        dropout=0.1,
        lr_scheduler=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 3),
        lr_scheduler_config=SchedulerConfig(interval="step", frequency=2),
    )
    checkpoint = ModelCheckpoint(dirpath=folder, filename="{step}", every_n_train_steps=5, save_top_k=-1)
    trainer = trainer_class(
        accelerator="cpu",
        max_epochs=3,
        log_every_n_steps=3,
        callbacks=[SeedEachBatch(), LearningRateMonitor(), noting_callback(calls), checkpoint],
        logger=CSVLogger(folder, name=None),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **settings,
    )
    trainer.fit(model, datamodule=DigitsDataModule(source="uci", batch_size=200, augmentation=RandomAffine()))
    table = (folder / "version_0" / "metrics.csv").read_text()
    saved = {path.name: torch.load(path, weights_only=False) for path in sorted(folder.glob("*.ckpt"))}
    return calls, table, saved, trainer


@pytest.mark.parametrize(
    ("settings", "is_short"),
    [
        ({}, True),
        ({"val_check_interval": 3, "max_steps": 10}, True),
        ({"accumulate_grad_batches": 2, "gradient_clip_val": 0.1}, False),
    ],
)
def test_a_run_is_that_of_lightnings_own_loop(tmp_path, settings, is_short):
    theirs = train(pl.Trainer, tmp_path / "theirs", **settings)
    ours = train(Trainer, tmp_path / "ours", **settings)
    assert _is_plain(ours[3], ours[3].fit_loop._data_fetcher) == is_short
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
    assert ours[2].keys() == theirs[2].keys()
    assert ours[2].keys()
    for name, checkpoint in ours[2].items():
        expected = theirs[2][name]
        assert checkpoint["loops"] == expected["loops"]
        assert checkpoint["lr_schedulers"] == expected["lr_schedulers"]
        for key, value in checkpoint["state_dict"].items():
            assert torch.equal(value, expected["state_dict"][key])


def test_a_model_with_its_own_optimizer_step_keeps_it():
    class Careful(MLP):
        steps = 0

        def optimizer_step(self, *args, **kwargs):
            Careful.steps += 1
            super().optimizer_step(*args, **kwargs)

    trainer = Trainer(accelerator="cpu", fast_dev_run=2, enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(Careful(hidden=[8]), datamodule=DigitsDataModule(source="uci"))
    assert Careful.steps == 2
