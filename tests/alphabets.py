"""Small data sets of other alphabets than the ten digits, as files that users have."""

import gzip
import shutil
import struct
import zipfile
from pathlib import Path

import matplotlib
import numpy as np
import torchvision.datasets as published
from PIL import Image, ImageDraw, ImageFont

from digits.data.download import md5_of

ALPHABET = ["9", "10", "B", "a", "œ"]
"""In the order that its classes have."""


def pictures(classes, count):
    """Images ``(classes * count, 28, 28)`` uint8, ink high, each class with a bar of its own, and their classes."""
    generator = np.random.default_rng(0)
    labels = np.tile(np.arange(classes), count)
    images = generator.integers(0, 40, (len(labels), 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(label, 5)
        image[4 + 4 * (row % 5) : 8 + 4 * (row % 5), 4 + 4 * column : 8 + 4 * column] = 255
    return images, labels


def make_folder(folder, names=ALPHABET, count=20):
    images, labels = pictures(len(names), count)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / names[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / names[label] / f"{number}.png")
    return folder


def make_letters(folder, letters, count, seed=0):
    """Letters in matplotlib's typefaces on white pictures of 64×64, ``count`` of each, of several sizes and places."""
    generator = np.random.default_rng(seed)
    kinds = ["Sans", "Sans-Bold", "Sans-Oblique", "SansMono", "Serif", "Serif-Bold", "Serif-Italic"]
    fonts = [Path(matplotlib.get_data_path(), "fonts", "ttf", f"DejaVu{kind}.ttf") for kind in kinds]
    for letter in letters:
        (folder / letter).mkdir(parents=True)
        for number in range(count):
            picture = Image.new("L", (64, 64), 255)
            font = ImageFont.truetype(fonts[generator.integers(len(fonts))], int(generator.integers(22, 46)))
            ImageDraw.Draw(picture).text(generator.integers(24, 41, 2).tolist(), letter, 0, font, anchor="mm")
            picture.save(folder / letter / f"{number}.png")
    return folder


def make_csv(folder, names=ALPHABET, count=20):
    images, labels = pictures(len(names), count)
    header = ",".join(["label", *(f"pixel{number}" for number in range(784))])
    rows = [",".join([names[label], *map(str, image.ravel())]) for image, label in zip(images, labels, strict=True)]
    (folder / "train.csv").write_text("\n".join([header, *reversed(rows)]), encoding="utf-8")
    (folder / "test.csv").write_text("\n".join([header, *rows[: len(names)]]), encoding="utf-8")
    return folder


def make_emnist(folder, monkeypatch, split, classes, first_label=0, count=4):
    """EMNIST's archive with one of its splits: images on their side, letters counted from one."""
    images, labels = pictures(classes, count)
    raw = folder / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    with zipfile.ZipFile(raw / "gzip.zip", "w") as archive:
        for part in ("train", "test"):
            name = f"gzip/emnist-{split}-{part}"
            archive.writestr(f"{name}-images-idx3-ubyte.gz", idx(images.transpose(0, 2, 1)))
            archive.writestr(f"{name}-labels-idx1-ubyte.gz", idx(labels.astype(np.uint8) + first_label))
    monkeypatch.setattr(published.EMNIST, "md5", md5_of(raw / "gzip.zip"))
    return folder


def idx(array):
    return gzip.compress(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


def move_half_to_test(folder):
    """Turn folders of classes into ``train/`` and ``test/`` with the same classes."""
    for name in [path.name for path in folder.iterdir()]:
        files = sorted((folder / name).iterdir())
        for place, file in enumerate(files):
            target = folder / ("train" if place % 2 else "test") / name
            target.mkdir(parents=True, exist_ok=True)
            file.rename(target / file.name)
        shutil.rmtree(folder / name)
    return folder
