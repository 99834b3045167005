import pytorch_lightning as pl
import torch

from digits.data import Augmentation, DigitsDataModule
from digits.models import MLP
from digits.training import SeedEachBatch


class NotedAugmentation(Augmentation):
    def __init__(self):
        self.seeds = []

    def __call__(self, images, generator):
        self.seeds.append(generator.initial_seed())
        return images


class NotedMLP(MLP):
    def __init__(self):
        super().__init__(hidden=[8])
        self.seeds = []

    def training_step(self, batch, batch_idx):
        self.seeds.append(torch.initial_seed())
        return super().training_step(batch, batch_idx)


def test_every_batch_has_seeds_of_its_own_for_augmentation_and_model():
    pl.seed_everything(0)
    model, augmentation = NotedMLP(), NotedAugmentation()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        callbacks=[SeedEachBatch()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(model, datamodule=DigitsDataModule(source="uci", augmentation=augmentation))
    seeds = model.seeds + augmentation.seeds
    assert len(seeds) == len(set(seeds)) == 2 * 8
