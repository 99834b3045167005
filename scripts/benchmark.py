"""Measure how fast `digits` is, each figure beside its rival's in the same run.

    python scripts/benchmark.py --quick           under three minutes; leaves out what takes longer
    python scripts/benchmark.py --output results  everything, to results.json and results.png as well

Contenders take turns, so that a slow minute of the machine hits all of them; medians are compared and the spread is
shown. Ours run through the command line as anyone would run them; the rivals, at the end of this file, are the loops
that textbooks print. Set DIGITS_DATA_DIR to a folder with MNIST.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from contests import Contest, plot, table
from make_memmap import write_memmap
from PIL import Image
from pytorch_lightning import Callback
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from digits.data import DigitsDataModule, RandomAffine, default_data_dir, find_source
from digits.exporting import write_onnx
from digits.exporting.subject import Answering
from digits.models import DigitClassifier, build_network
from digits.onnx_network import OnnxNetwork
from digits.recognition import Recognizer
from digits.training import Run, default_precision, keep_freed_memory
from digits.training.provenance import hardware

ROOT = Path(__file__).parents[1]


def network(config: str) -> DigitClassifier:
    """The network of a configuration, as it is before training."""
    model = yaml.safe_load((ROOT / "configs" / config).read_text())["model"]
    arguments = {key: value for key, value in model["init_args"].items() if not key.startswith(("optim", "lr_"))}
    return build_network(model["class_path"], arguments)


def precision_of(config: str) -> str:
    """What ``fit`` trains a configuration in, on this machine."""
    chosen = yaml.safe_load((ROOT / "configs" / config).read_text())["trainer"].get("precision")
    return chosen or default_precision("cpu")


class StampFirstStep(Callback):
    """Writes the time at which the first training step was done; for the start-up contest's configuration."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def on_train_batch_end(self, *_: Any) -> None:
        if not self._path.exists():
            self._path.write_text(str(time.time()))


def _peak_memory(pid: int) -> int:
    """Bytes, so far; 0 where the system does not tell. (What wait4 tells begins with the memory of this process.)"""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


class Workplace:
    """Runs the command line in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> tuple[float, int]:
        """Seconds and peak memory in bytes of ``python -m digits …``."""
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "scripts")])}
        environment["DIGITS_DATA_DIR"] = str(default_data_dir().resolve())
        start, peak = time.perf_counter(), 0
        with tempfile.TemporaryFile("w+", dir=self.folder) as output:
            command = [sys.executable, "-m", "digits", *arguments]
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=output, stderr=output)
            while process.poll() is None:
                peak = max(peak, _peak_memory(process.pid))
                time.sleep(0.01)
            if process.returncode != 0:
                output.seek(0)
                raise RuntimeError(output.read())
        return time.perf_counter() - start, peak

    def fit(self, config: str, *options: str) -> dict[str, float]:
        """The final figures of a run, and its peak memory in MB."""
        runs = tempfile.mkdtemp(dir=self.folder)
        path = str(ROOT / "configs" / config)
        _, memory = self.run("fit", "--config", path, "--runs_dir", runs, "--report", "false", *options)
        (run,) = Run.all_in(Path(runs))
        return {**run.figures, "memory": memory / 1e6}

    def first_step(self) -> float:
        """Seconds from the start of the command to the end of the first training step."""
        stamp = Path(tempfile.mkdtemp(dir=self.folder)) / "stamp"
        callback = {"class_path": "benchmark.StampFirstStep", "init_args": {"path": str(stamp)}}
        start = time.time()
        self.fit(
            "cnn.yaml",
            f"--trainer.callbacks+={json.dumps(callback)}",
            "--trainer.max_steps",
            "2",
            "--trainer.limit_val_batches",
            "1",
        )
        return float(stamp.read_text()) - start


def time_to_99(place: Workplace, quick: bool) -> list[Contest]:
    def ours(turn: int) -> float:
        figures = place.fit("speedrun.yaml", "--seed_everything", str(turn))
        print(f"  test accuracy {figures['test/accuracy']:.4f}", flush=True)
        return figures["seconds"]

    def against(what: str, rival: str, measure: Callable[[int], float], target: float | None) -> Contest:
        return Contest(what, "s", {"speedrun.yaml": ours, rival: measure}, target, rounds=2, once=(rival,))

    if quick:
        return [Contest("time to 99 %", "s", {"speedrun.yaml": ours})]
    contests = [against("time to 99 %", "textbook PyTorch loop", lambda turn: textbook_time_to(0.99, turn), 50)]
    if importlib.util.find_spec("keras"):
        contests.append(against("time to 99 %", "Keras CNN", lambda turn: keras_time_to(0.99, turn), 15))
    name = "whole training (scikit-learn's ends below 99 %)"
    return [*contests, against(name, "scikit-learn MLPClassifier", scikit_learn_mlp, None)]


def loop_speed(place: Workplace, quick: bool) -> list[Contest]:
    if quick:
        return [_loop_contest(place, "mlp.yaml", 128, 3, 0.8)]
    return [
        _loop_contest(place, "cnn.yaml", 256, 2, 0.95),
        _loop_contest(place, "mlp.yaml", 128, 6, 0.8),
        _loop_contest(place, "mlp.yaml", 128, 6),
    ]


def _loop_contest(place: Workplace, config: str, batch_size: int, epochs: int, target: float | None = None) -> Contest:
    """With a target: training alone; else the whole fit beside a loop that computes validation accuracies."""
    options = ["--data.augmentation", "null", "--data.batch_size", str(batch_size), "--trainer.max_epochs", str(epochs)]

    def ours(_: int) -> float:
        figures = place.fit(config, *options)
        return figures["images_per_second"] if target else epochs * 55_000 / figures["seconds"]

    def bare(_: int) -> float:
        return bare_loop(config, batch_size, epochs, validates=target is None)

    name = f"{'training' if target else 'training and validation'}, {config}, batch {batch_size}"
    return Contest(name, "images/s", {"fit": ours, "bare loop": bare}, target)


def input_pipeline(place: Workplace, quick: bool) -> list[Contest]:
    keep_freed_memory()  # as the command line does

    def ours(_: int) -> float:
        data = DigitsDataModule(data_dir=str(default_data_dir()))
        augmentation, generator = RandomAffine(), torch.Generator().manual_seed(0)
        loader = data.train_dataloader()
        start = time.perf_counter()
        for batch in loader:
            augmentation(batch.images.float() / 255, generator)
        return len(loader) * data.batch_size / (time.perf_counter() - start)

    contenders = {
        "digits": ours,
        "Dataset, transforms, DataLoader": lambda _: textbook_pipeline(0),
        "the same with 2 workers": lambda _: textbook_pipeline(2),
    }
    return [Contest("batches of 256 with affine augmentation", "images/s", contenders, target=50)]


def scale(place: Workplace, quick: bool) -> list[Contest]:
    count = 500_000 if quick else 8_000_000
    write_memmap(place.folder / "many", count, "mnist", default_data_dir(), seed=0)
    runs = [("mlp.yaml", 400)] if quick else [("mlp.yaml", 2000), ("cnn.yaml", 400)]
    return [contest for config, steps in runs for contest in _scale_contests(place, count, config, steps)]


def _scale_contests(place: Workplace, count: int, config: str, steps: int) -> list[Contest]:
    """Speed of as many steps on few images and on many; the memory is noted by the same runs."""
    memory = Contest(f"memory, {config}", "MB", {}, rounds=0)

    def measure(name: str, *options: str) -> float:
        limits = ["--trainer.max_steps", str(steps), "--trainer.limit_val_batches", "0"]
        figures = place.fit(config, *options, *limits)
        memory.values.setdefault(name, []).append(figures["memory"])
        return figures["images_per_second"]

    many, few = f"{count:,} images in a file", "60,000 images"
    contenders: dict[str, Callable[[int], float]] = {
        many: lambda _: measure(many, "--data.source", "memmap", "--data.data_dir", str(place.folder / "many")),
        few: lambda _: measure(few),
    }
    return [Contest(f"training, {config}", "images/s", contenders, target=0.9, rounds=2), memory]


def start_up(place: Workplace, quick: bool) -> list[Contest]:
    return [
        Contest("--help", "s", {"digits": lambda _: place.run("--help")[0]}),
        Contest("from Enter to the first training step", "s", {"digits": lambda _: place.first_step()}, rounds=2),
    ]


def inference(place: Workplace, quick: bool) -> list[Contest]:
    model = network("cnn.yaml").eval()
    about = {"figures": {}, "data": {"source": "mnist"}, "commit": None}
    write_onnx(Answering(model), place.folder / "cnn.onnx", about)
    exported = OnnxNetwork(place.folder / "cnn.onnx")

    def speed(batch_size: int) -> dict[str, Callable[[int], float]]:
        return {
            "configs/cnn.yaml": lambda _: inference_speed(model, batch_size),
            "the same as ONNX": lambda _: inference_speed(lambda x: exported.logits(x.numpy()), batch_size),
            "textbook CNN": lambda _: inference_speed(TextbookCNN().eval(), batch_size),
        }

    def reading(picture: np.ndarray) -> dict[str, Callable[[int], float]]:
        return {"digits": lambda _: reading_time(recognizer, picture)}

    images = _mnist()[1][0][:100, 0]
    sheet = (
        images.view(10, 10, 28, 28).transpose(1, 2).reshape(280, 280).repeat_interleave(2, 0).repeat_interleave(2, 1)
    )
    recognizer = Recognizer.pretrained()
    return [
        *(Contest(f"inference, batches of {size}", "images/s", speed(size)) for size in (1, 256)),
        Contest("Recognizer, one digit", "s", reading(images[0].numpy())),
        Contest("Recognizer, a sheet of 100 digits", "s", reading(sheet.numpy())),
    ]


SECTIONS: dict[str, Callable[[Workplace, bool], list[Contest]]] = {
    "time_to_99": time_to_99,
    "loop_speed": loop_speed,
    "input_pipeline": input_pipeline,
    "scale": scale,
    "start_up": start_up,
    "inference": inference,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out what takes longer than a minute")
    parser.add_argument("--output", type=Path, help="write OUTPUT.json and OUTPUT.png")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="only this section; may be repeated")
    options = parser.parse_args()
    held = []
    with tempfile.TemporaryDirectory() as folder:
        for section in options.only or SECTIONS:
            for contest in SECTIONS[section](Workplace(Path(folder)), options.quick):
                contest.hold()
                held.append(contest)
    held = [contest for contest in held if contest.values]
    found = hardware()
    machine = f"{found['cpu']}, {found['threads']} threads, torch {torch.__version__}"
    print(f"\n{machine}\n\n{table(held)}")
    if options.output:
        content = [
            {key: value for key, value in vars(contest).items() if key != "contenders"} | {"ratios": contest.ratios()}
            for contest in held
        ]
        options.output.with_suffix(".json").write_text(json.dumps({"machine": machine, "contests": content}, indent=2))
        plot(held, machine).savefig(options.output.with_suffix(".png"), dpi=120)


# The rivals, as textbooks print them.


def _mnist() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Images ``(N, 1, 28, 28)`` uint8 and labels of the training set and the test set."""
    digits = find_source("mnist").load(default_data_dir())
    assert digits.train is not None
    assert digits.train.labels is not None
    assert digits.test is not None
    assert digits.test.labels is not None
    return (digits.train.images, digits.train.labels), (digits.test.images, digits.test.labels)


class TextbookDataset(Dataset[tuple[Tensor, int]]):
    """torchvision's way: one image at a time, through Pillow and a chain of transforms."""

    def __init__(self, images: Tensor, labels: Tensor, transform: Callable[[Image.Image], Tensor]) -> None:
        self._images, self._labels, self._transform = images[:, 0], labels, transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(Image.fromarray(self._images[index].numpy())), int(self._labels[index])


class TextbookCNN(nn.Sequential):
    """The network of PyTorch's own MNIST example: two convolutions, two dropouts, 1.2 M parameters."""

    def __init__(self) -> None:
        convolutions = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
        dense = [nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)]
        super().__init__(*convolutions, *dense)


def textbook_time_to(accuracy: float, seed: int) -> float:
    """Training seconds of PyTorch's MNIST example until an epoch ends at that test accuracy; testing not counted."""
    torch.manual_seed(seed)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train, test = (TextbookDataset(*part, transform) for part in _mnist())
    model = TextbookCNN()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    seconds = 0.0
    for epoch in range(1, 15):
        start = time.perf_counter()
        model.train()
        for images, labels in DataLoader(train, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        scheduler.step()
        seconds += time.perf_counter() - start
        model.eval()
        with torch.no_grad():
            correct = sum(int((model(x).argmax(1) == y).sum()) for x, y in DataLoader(test, batch_size=1000))
        print(f"  textbook epoch {epoch}: {correct} of 10,000 right after {seconds:.1f} s", flush=True)
        if correct >= accuracy * 10_000:
            return seconds
    raise RuntimeError(f"the textbook loop did not reach {accuracy}")


def scikit_learn_mlp(seed: int) -> float:
    """Seconds of scikit-learn's MLPClassifier with its stopping rule on; prints its test accuracy."""
    (images, labels), (test_images, test_labels) = _mnist()
    model = MLPClassifier((128, 64), early_stopping=True, random_state=seed)
    start = time.perf_counter()
    model.fit(images.flatten(1).numpy() / 255, labels.numpy())
    seconds = time.perf_counter() - start
    accuracy = model.score(test_images.flatten(1).numpy() / 255, test_labels.numpy())
    print(f"  scikit-learn: test accuracy {accuracy:.4f} after {model.n_iter_} epochs", flush=True)
    return seconds


def keras_time_to(accuracy: float, seed: int) -> float:
    """Training seconds of the CNN in Keras' documentation until an epoch ends at that test accuracy."""
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(seed)
    (images, labels), (test_images, test_labels) = (
        (x.permute(0, 2, 3, 1).numpy().astype("float32") / 255, y.numpy()) for x, y in _mnist()
    )
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *(layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()),
            *(layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D()),
            *(layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax")),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    seconds = 0.0
    for _ in range(15):
        start = time.perf_counter()
        model.fit(images, labels, batch_size=128, epochs=1, verbose=0)
        seconds += time.perf_counter() - start
        reached = model.evaluate(test_images, test_labels, verbose=0)[1]
        print(f"  Keras ({keras.backend.backend()}): {reached:.4f} after {seconds:.1f} s", flush=True)
        if reached >= accuracy:
            return seconds
    raise RuntimeError(f"Keras did not reach {accuracy}")


def bare_loop(config: str, batch_size: int, epochs: int, *, validates: bool) -> float:
    """Images per second of the shortest loop that trains the same network, batch, precision and optimizer."""
    model = network(config).train()
    (images, labels), _ = _mnist()
    (images, held_out), (labels, truth) = images.split([55_000, 5_000]), labels.split([55_000, 5_000])
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    steps = len(images) // batch_size
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps * epochs, pct_start=0.2)
    in_bf16 = torch.autocast("cpu", torch.bfloat16, enabled=precision_of(config) == "bf16-mixed")
    start = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.randperm(len(images))[: steps * batch_size].split(batch_size):
            batch = images[rows].float() / 255
            with in_bf16:
                logits = model(batch)
            loss = F.cross_entropy(logits, labels[rows], label_smoothing=model.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        if validates:
            model.eval()
            with torch.no_grad():
                answers = torch.cat([model(batch.float() / 255).argmax(1) for batch in held_out.split(1000)])
            print(f"  bare loop: validation accuracy {float((answers == truth).float().mean()):.4f}", flush=True)
            model.train()
    return steps * epochs * batch_size / (time.perf_counter() - start)


def textbook_pipeline(workers: int) -> float:
    """Images per second out of a DataLoader that distorts one image at a time."""
    transform = transforms.Compose(
        [
            transforms.RandomAffine(10, translate=(0.08, 0.08), scale=(0.9, 1.1), shear=6),
            transforms.ToTensor(),
        ]
    )
    dataset = TextbookDataset(*_mnist()[0], transform)
    loader = iter(DataLoader(dataset, batch_size=256, shuffle=True, num_workers=workers))
    next(loader)  # workers take a while to start
    start = time.perf_counter()
    count = sum(len(labels) for _, (_, labels) in zip(range(30), loader, strict=False))
    return count / (time.perf_counter() - start)


def reading_time(recognizer: Recognizer, picture: np.ndarray) -> float:
    """Seconds for one picture, warm, once it is in memory."""
    recognizer.read(picture)
    start = time.perf_counter()
    for _ in range(5):
        recognizer.read(picture)
    return (time.perf_counter() - start) / 5


def inference_speed(model: Callable[[Tensor], Any], batch_size: int) -> float:
    """Images per second, images given as floats."""
    images = torch.rand(batch_size, 1, 28, 28)
    with torch.inference_mode():
        for _ in range(10):
            model(images)
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < 1:
            model(images)
            count += batch_size
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
