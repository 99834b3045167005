"""Sources and augmentations of the user's own, from the command line as from Python."""

import csv
import json
import sys
import warnings
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import yaml
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

from digits.data import DigitsDataModule, EachImage, InOrder, RandomAffine, find_source
from digits.errors import UserError
from digits.models import MLP, SchedulerConfig

MINE = """
import os
import random
import signal
import numpy
import torch
from pytorch_lightning import Callback, LightningDataModule
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from digits.data import Digits, DigitImages, Source, find_source

class Bars(Source):
    def load(self, data_dir):
        labels = torch.arange(500) % 10
        images = torch.zeros(500, 1, 28, 28, dtype=torch.uint8)
        for image, label in zip(images, labels):
            image[0, 3 + 2 * int(label) : 6 + 2 * int(label), 5:20] = 200
        return Digits(self.name, DigitImages(images, labels), DigitImages(images, labels))

class Floats(Source):
    def load(self, data_dir):
        return Digits(self.name, DigitImages(torch.zeros(5, 1, 28, 28), None), None)

class Needy(Source):
    def __init__(self, path):
        self.path = path

    def load(self, data_dir):
        raise AssertionError

def speckle(image):
    return image + random.random() * float(numpy.random.rand()) * torch.rand_like(image)

class Loaders(LightningDataModule):
    def __init__(self, batch_size: int = 50, scale: float = 1.0):
        super().__init__()
        self.batch_size, self.scale = batch_size, scale

    def _loader(self):
        train = find_source("mine.Bars").load(None).train
        return DataLoader(TensorDataset(train.images / 255 * self.scale, train.labels), batch_size=self.batch_size)

    def train_dataloader(self):
        return self._loader()

    def val_dataloader(self):
        return self._loader()

    def test_dataloader(self):
        return self._loader()

    def predict_dataloader(self):
        return self._loader()

class Shuffled(Loaders):
    def __init__(self, num_workers: int = 0):
        super().__init__()
        self.num_workers = num_workers

    def train_dataloader(self):
        train = find_source("mine.Bars").load(None).train
        noisy = [(image / 255, label) for image, label in zip(train.images, train.labels)]
        return DataLoader(Noisy(noisy), batch_size=50, shuffle=True, num_workers=self.num_workers)

class Generated(Loaders):
    def train_dataloader(self):
        train = find_source("mine.Bars").load(None).train
        order = torch.Generator().manual_seed(3)
        return DataLoader(TensorDataset(train.images, train.labels), batch_size=50, shuffle=True, generator=order)

class Stream(IterableDataset):
    def __iter__(self):
        train = find_source("mine.Bars").load(None).train
        yield from zip(train.images, train.labels)

class Streamed(Loaders):
    def train_dataloader(self):
        return DataLoader(Stream(), batch_size=50)

class Counted(Loaders):
    num_classes = 12

    def _loader(self):
        images = torch.arange(120).view(-1, 1, 1, 1).expand(-1, 1, 28, 28) / 120
        return DataLoader(TensorDataset(images, torch.arange(120) % 12), batch_size=50)

class Named(Counted):
    class_names = list("abcdefghijkl")

class TooFew(Counted):
    num_classes = 11

class Unsaid(Counted):
    num_classes = None

class Twice(Counted):
    class_names = list("abcdefghijkk")

class Noisy(Dataset):
    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        image, label = self.samples[index]
        return speckle(image).clamp(0, 1), label

class StopAtFive(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 5:
            os.kill(os.getpid(), signal.SIGTERM)

class Dim:
    def __init__(self, strength: float = 0.5):
        self.strength = strength

    def __call__(self, image):
        return image * (1 - self.strength * torch.rand(()))
"""
LIST = """
- class_path: digits.data.RandomAffine
  init_args: {degrees: 3}
- class_path: torchvision.transforms.v2.RandomRotation
  init_args: {degrees: 15}
- mine.speckle
- class_path: mine.Dim
  init_args: {strength: 0.2}
"""


@pytest.fixture(autouse=True)
def _mine(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("mine", None)


def test_a_source_and_augmentations_of_ones_own_resume_exactly(fit, digits):
    options = ["--data.source", "mine.Bars", "--data.batch_size", "50", "--data.augmentation", LIST]
    whole = fit(*options, "--trainer.max_epochs", "2")
    written = yaml.safe_load((whole / "config.yaml").read_text())["data"]
    assert written["source"] == "mine.Bars"
    assert [step if isinstance(step, str) else step["init_args"] for step in written["augmentation"]][
        2
    ] == "mine.speckle"
    metrics = json.loads((whole / "metrics.json").read_text())
    assert metrics["data"]["source"] == "mine.Bars"
    assert metrics["data"]["fingerprint"]
    stopped = [
        "--experiment",
        "cut",
        "--model",
        "MLP",
        "--trainer.max_epochs",
        "2",
        "--trainer.callbacks+=mine.StopAtFive",
    ]
    assert digits("fit", *stopped, *options)[0] == 143
    cut = Path("runs/cut/version_0")
    again = ["fit", "--ckpt_path", cut / "checkpoints" / "last.ckpt", "--report", "false"]
    status, _, errors = digits(*again)
    assert status == 2, "a checkpoint alone imports nothing"
    assert "add --trust mine." in errors
    own = "mine.StopAtFive,mine.speckle,mine.Dim"
    status, _, errors = digits(*again, "--trust", own)
    assert status == 0, errors
    one, other = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, cut))
    assert one["global_step"] == other["global_step"] == 16
    assert all(torch.equal(tensor, other["state_dict"][name]) for name, tensor in one["state_dict"].items())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mine.Bras", "the data source 'mine.Bras': mine has no digits.data.Source of that name; did you mean 'Bars'?"),
        ("mine.speckle", "mine has no digits.data.Source of that name"),
        ("subprocess.Popen", "no digits.data.Source of that name; derive the class from it"),
        ("mien.Bars", "the data source 'mien.Bars': there is no module 'mien'"),
        ("mine.Needy", "cannot be built without arguments"),
    ],
)
def test_sources_that_are_none(source, message):
    with pytest.raises(UserError) as caught:
        find_source(source)
    assert message in str(caught.value)


def test_what_a_source_gives_is_checked():
    with pytest.raises(
        UserError, match=r"images must be \(N, 1, 28, 28\) uint8, ink high and paper 0, not \(5, 1, 28, 28\) torch.f"
    ):
        DigitsDataModule(source="mine.Floats").setup("fit")


def test_each_image_has_draws_of_its_own_that_the_generator_decides():
    from mine import speckle

    images = torch.zeros(8, 1, 28, 28)
    for transform in (
        EachImage(speckle),
        InOrder([EachImage(speckle), RandomAffine(), EachImage(v2.RandomErasing(1.0))]),
    ):
        torch.manual_seed(5)
        before = torch.rand(1)
        torch.manual_seed(5)
        one = transform(images, torch.Generator().manual_seed(1))
        assert torch.rand(1) == before  # the caller's draws go on as if nothing had been drawn
        assert torch.equal(one, transform(images, torch.Generator().manual_seed(1)))
        assert not torch.equal(one, transform(images, torch.Generator().manual_seed(2)))
        assert len({image.sum().item() for image in one}) == 8


@pytest.mark.parametrize(
    ("transform", "made"), [(v2.Resize(14), r"\(1, 14, 14\) torch.float32"), (v2.ToPILImage(), "Image")]
)
def test_a_transform_must_make_the_same_kind_of_image(transform, made):
    with pytest.raises(UserError, match=rf"data.augmentation: {type(transform).__name__} makes {made} of an image"):
        EachImage(transform)(torch.zeros(2, 1, 28, 28), torch.Generator())


@pytest.mark.parametrize("degrees", ["15", "[-15, 15]"])
def test_numbers_of_torchvision_behind_a_flag(degrees):
    from digits.cli.resolve import resolve

    path = "torchvision.transforms.v2.RandomRotation"
    config = resolve(["--model", "MLP", "--data.augmentation", path, "--data.augmentation.degrees", degrees])
    chosen = config["data"]["augmentation"]
    chosen = chosen[0] if isinstance(chosen, list) else chosen
    assert chosen["init_args"]["degrees"] == json.loads(degrees)


@pytest.mark.parametrize(("given", "size"), [((), 50), (("--data.batch_size", "256"), 256), (("--config", "cnn"), 256)])
def test_another_data_module_keeps_its_own_defaults(given, size):
    from digits.cli.resolve import resolve

    config = resolve(["--model", "MLP", *given, "--data", "mine.Loaders"])
    assert config["data"] == {"class_path": "mine.Loaders", "init_args": {"batch_size": size, "scale": 1.0}}


def test_any_data_module_of_pairs_trains_and_is_tested(digits):
    quick = ["--model", "MLP", "--data", "mine.Loaders", "--trainer.max_epochs", "3", "--experiment", "pairs"]
    schedule = ["--model.lr_scheduler", "torch.optim.lr_scheduler.OneCycleLR", "--model.lr_scheduler.max_lr", "0.01"]
    status, output, errors = digits("fit", *quick, *schedule, "--model.lr_scheduler_config.interval", "step")
    assert status == 0, errors
    assert " % of 500 images of mine.Loaders · trained in" in output
    assert "no report: the images are known of the digits' own data module alone" in output
    metrics = json.loads(Path("runs/pairs/version_0/metrics.json").read_text())
    assert metrics["data"] == {"source": "mine.Loaders"}
    assert metrics["test/accuracy"] > 0.5
    assert metrics["test/count"] == metrics["val/count"] == 500
    for verb, written in (
        ("test", "test-mine.Loaders.json"),
        ("predict", "predictions.csv"),
        ("validate", "config.yaml"),
    ):
        status, _, errors = digits(
            verb, "--ckpt_path", "runs/pairs/version_0/checkpoints/best.ckpt", "--trust", "mine.Loaders"
        )
        assert status == 0, errors
        assert (Path("runs/pairs/version_0") / written).is_file()
    status, _, errors = digits("report", "runs/pairs")
    assert (status, errors.count("\n")) == (2, 1)
    assert "the run's data came from mine.Loaders" in errors
    exported = digits("export", "--checkpoint", "runs/pairs/version_0/checkpoints/best.ckpt", "--output", "pairs.onnx")
    assert exported[0] == 0, exported[2]
    with Path("runs/pairs/version_0/predictions.csv").open() as file:
        assert [row["index"] for row in csv.DictReader(file)] == [str(number) for number in range(500)]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_shuffled_data_loader_resumes_exactly(digits, workers):
    options = ["--model", "MLP", "--data", "mine.Shuffled", "--data.num_workers", str(workers)]
    options += ["--model.dropout", "0.2", "--trainer.max_epochs", "2", "--trainer.enable_progress_bar", "false"]
    assert digits("fit", *options, "--experiment", "whole")[0] == 0
    assert digits("fit", *options, "--experiment", "cut", "--trainer.callbacks+=mine.StopAtFive")[0] == 143
    own = ["--trust", "mine.Shuffled,mine.StopAtFive"]
    status, _, errors = digits("fit", "--ckpt_path", "runs/cut/version_0/checkpoints/last.ckpt", *own)
    assert status == 0, errors
    one, other = (
        torch.load(f"runs/{name}/version_0/checkpoints/last.ckpt", weights_only=True) for name in ("whole", "cut")
    )
    assert one["global_step"] == other["global_step"] == 20
    assert all(torch.equal(tensor, other["state_dict"][name]) for name, tensor in one["state_dict"].items())


def _resumed(digits, data, *more):
    """The last checkpoints of a whole run and of one that was stopped and resumed, and what the resume said."""
    options = ["--model", "MLP", "--data", data, "--trainer.max_epochs", "2", "--trainer.enable_progress_bar", "false"]
    options += [*more, "--report", "false"]
    assert digits("fit", *options, "--experiment", "whole")[0] == 0
    assert digits("fit", *options, "--experiment", "cut", "--trainer.callbacks+=mine.StopAtFive")[0] == 143
    own = ["--trust", f"{data},mine.StopAtFive"]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        status, _, errors = digits("fit", "--ckpt_path", "runs/cut/version_0/checkpoints/last.ckpt", *own)
    assert status == 0, errors
    files = (f"runs/{name}/version_0/checkpoints/last.ckpt" for name in ("whole", "cut"))
    one, other = (torch.load(file, weights_only=True) for file in files)
    same = all(torch.equal(tensor, other["state_dict"][name]) for name, tensor in one["state_dict"].items())
    return one["global_step"] == other["global_step"] and same, [str(warning.message) for warning in said]


def test_a_loader_with_a_generator_of_its_own_resumes_exactly(digits):
    is_same, said = _resumed(digits, "mine.Generated")
    assert is_same
    assert not any("will not be what" in words for words in said)


@pytest.mark.parametrize(
    ("data", "more"), [("mine.Streamed", ()), ("mine.Loaders", ("--trainer.overfit_batches", "7"))]
)
def test_a_resume_that_cannot_be_exact_says_so(digits, data, more):
    _, said = _resumed(digits, data, *more)
    assert sum("the resumed run will not be what the uninterrupted one had been" in words for words in said) == 1


@pytest.mark.parametrize(("data", "names"), [("mine.Counted", map(str, range(12))), ("mine.Named", "abcdefghijkl")])
def test_the_classes_of_another_data_module_reach_the_model(fit, digits, data, names):
    run = fit("--data", data)
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert content["hyper_parameters"]["class_names"] == list(names)
    status, _, errors = digits("test", "--ckpt_path", run / "checkpoints" / "best.ckpt", "--trust", data)
    assert status == 0, errors


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("mine.TooFew", "the label 11 and the model tells 11 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) apart"),
        (
            "mine.Unsaid",
            "the label 11 and the model tells the ten digits apart, of which labels are the places, 0 to 9",
        ),
        ("mine.Twice", "there must be two or more, all different"),
    ],
)
def test_labels_beyond_the_classes_are_one_line(digits, data, message):
    status, _, errors = digits("fit", "--model", "MLP", "--data", data, "--trainer.enable_progress_bar", "false")
    assert (status, errors.count("\n")) == (2, 1), errors
    assert message in errors
    assert not list(Path("runs").glob("*/*"))


def test_crossval_needs_images_that_it_can_share_out(digits):
    Path("small.yaml").write_text("model: MLP\ndata: mine.Loaders\n")
    status, _, errors = digits("crossval", "--config", "small.yaml")
    assert (status, errors.count("\n")) == (2, 1), errors
    assert "crossval shares out the images of the digits' own data module, and mine.Loaders is another" in errors
    assert not Path("runs").exists()


def _pairs(count=60, **options):
    images, labels = torch.rand(count, 1, 28, 28), torch.arange(count) % 10
    return DataLoader(TensorDataset(options.get("images", images), options.get("labels", labels)), batch_size=25)


def _trainer():
    return pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )


def test_a_plain_trainer_takes_any_loader_of_pairs():
    def schedule(optimizer, total_steps=None):
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=total_steps)

    model = MLP(lr_scheduler=schedule, lr_scheduler_config=SchedulerConfig(interval="step"))
    trainer = _trainer()
    trainer.fit(model, _pairs(), _pairs(30))
    assert trainer.lr_scheduler_configs[0].scheduler.total_steps == 3
    assert model.predictions.indices.tolist() == list(range(30))
    assert trainer.test(model, _pairs(), verbose=False)[0]["test/count"] == 60
    (answers, *_) = trainer.predict(model, DataLoader(torch.zeros(7, 1, 28, 28, dtype=torch.uint8), batch_size=7))
    assert answers.shape == (7, 10)
    assert model.predictions.labels.tolist() == [-1] * 7


@pytest.mark.parametrize(("given", "length"), [({}, 3), ({"total_steps": None}, 3), ({"total_steps": 7}, 7)])
def test_a_partial_schedule_is_told_the_length_that_it_was_not_given(given, length):
    schedule = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1, **given)
    trainer = _trainer()
    trainer.fit(MLP(lr_scheduler=schedule), _pairs(), _pairs(30))
    assert trainer.lr_scheduler_configs[0].scheduler.total_steps == length


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": torch.rand(60, 784)}, r"images are \(25, 784\); they must be \(B, 1, 28, 28\)"),
        ({"labels": torch.rand(60)}, r"labels are \(25,\) torch.float32; they must be \(25,\) integers"),
        ({"labels": torch.eye(60, dtype=torch.int64)}, r"labels are \(25, 60\) torch.int64"),
        ({"labels": torch.arange(60) % 11}, "gives the label 10 and the model tells the ten digits apart"),
        ({"labels": torch.arange(60) % 10 - 1}, "gives the label -1 and"),
    ],
)
def test_pairs_that_are_none_are_named(options, message):
    with pytest.raises(UserError, match=message):
        _trainer().fit(MLP(), _pairs(**options))


def test_normalized_images_are_warned_of():
    with pytest.warns(UserWarning, match=r"images lie in -0\.\d+…2\.\d+; the model takes 0…1 and normalizes by itself"):
        _trainer().fit(MLP(), _pairs(images=torch.rand(60, 1, 28, 28) * 3 - 0.5))
