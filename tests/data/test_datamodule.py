import pytest
import pytorch_lightning as pl
import torch

from digits.data import Augmentation, DigitsDataModule, RandomAffine
from digits.errors import UserError
from digits.models import DigitClassifier


class Watcher(DigitClassifier):
    """Keeps the images it is shown, by stage."""

    def __init__(self):
        super().__init__()
        self.network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
        self.seen = {"train": [], "val": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append(batch)
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        self.seen["val"].append(batch)
        super().validation_step(batch, batch_idx)


def _watch(**options):
    pl.seed_everything(0)
    model = Watcher()
    data = DigitsDataModule(source="uci", **options)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(model, datamodule=data)
    return model.seen, data


def _together(batches):
    return torch.cat([batch.images for batch in batches]), torch.cat([batch.indices for batch in batches])


def test_model_sees_floats_in_0_1_and_no_image_in_both_splits():
    seen, data = _watch(batch_size=100)
    images, indices = _together(seen["train"])
    assert images.dtype == torch.float32
    assert images.shape[1:] == (1, 28, 28)
    assert (images.min(), images.max()) == (0, 1)
    torch.testing.assert_close(images, data.digits.train.images[indices] / 255)
    _, validation = _together(seen["val"])
    assert len(validation) == 287
    assert not set(indices.tolist()) & set(validation.tolist())
    labels = torch.cat([batch.labels for batch in seen["train"]])
    assert (labels == data.digits.train.labels[indices]).all()


def test_augmentation_while_training_only():
    seen, data = _watch(augmentation=RandomAffine())
    images, indices = _together(seen["train"])
    assert not torch.allclose(images, data.digits.train.images[indices] / 255)
    images, indices = _together(seen["val"])
    torch.testing.assert_close(images, data.digits.train.images[indices] / 255)


def test_augmentation_is_drawn_anew_for_each_batch_and_the_same_for_each_run():
    class Draws(Augmentation):
        def __init__(self):
            self.draws = []

        def __call__(self, images, generator):
            self.draws.append(torch.rand(1, generator=generator).item())
            return images

    first, second = Draws(), Draws()
    _watch(augmentation=first)
    _watch(augmentation=second)
    assert first.draws == second.draws
    assert len(set(first.draws)) == len(first.draws) == 4


def test_a_batch_larger_than_the_data():
    seen, _ = _watch(batch_size=10_000)
    assert [len(batch.images) for batch in seen["train"]] == [1150]


def test_subset_and_folds():
    seen, _ = _watch(subset=40, num_folds=5, fold=1, batch_size=20)
    assert sum(len(batch.images) for batch in seen["train"]) == 40
    assert len(_together(seen["val"])[1]) == 288


def test_without_a_trainer_one_can_look_at_the_batches():
    data = DigitsDataModule(source="uci", batch_size=64)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch.images.shape == (64, 1, 28, 28)
    assert batch.images.dtype == torch.uint8
    assert len(next(iter(data.test_dataloader())).labels) == 360


def test_data_dir_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DIGITS_DATA_DIR", str(tmp_path))
    assert DigitsDataModule().data_dir == tmp_path
    monkeypatch.delenv("DIGITS_DATA_DIR")
    assert str(DigitsDataModule().data_dir) == "data"


def test_paths_are_filled_in_as_a_shell_does(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLACE", str(tmp_path))
    for written in ("~/a", "$PLACE/a", "${PLACE}/a"):
        assert DigitsDataModule(data_dir=written).data_dir == tmp_path / "a"
    monkeypatch.setenv("DIGITS_DATA_DIR", "~/b")
    assert DigitsDataModule().data_dir == tmp_path / "b"
    with pytest.raises(
        UserError, match=r"the path \$NOWHERE/a names the environment variable NOWHERE, which is not set"
    ):
        DigitsDataModule(data_dir="$NOWHERE/a")


def test_missing_mnist_is_an_error_in_python(tmp_path, no_mirrors):
    from digits.data import DataNotFoundError

    with pytest.raises(DataNotFoundError, match="Put these files there"):
        DigitsDataModule(data_dir=str(tmp_path)).prepare_data()
