"""Write distorted copies of a source's training images to memory-mapped files, as many as you like.

    python scripts/make_memmap.py --images 8000000 --output /tmp/mnist8m
    python -m digits fit --config configs/cnn.yaml --data.source memmap --data.data_dir /tmp/mnist8m

The first copies are the images themselves. The test images are written beside them, as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from digits.data import RandomAffine, default_data_dir, find_source

_BATCH = 10_000


def write_memmap(output: Path, images: int, source: str, data_dir: Path, seed: int) -> None:
    """Write ``train-images.npy`` with that many images, its labels, and the test set likewise."""
    origin = find_source(source)
    origin.prepare(data_dir)
    digits = origin.load(data_dir)
    assert digits.train is not None
    output.mkdir(parents=True, exist_ok=True)
    stored = np.lib.format.open_memmap(output / "train-images.npy", "w+", np.uint8, (images, 28, 28))
    labels = np.empty(images, dtype=np.uint8)
    distort, generator = RandomAffine(), torch.Generator().manual_seed(seed)
    for start in tqdm(range(0, images, _BATCH), disable=None):  # silent unless in a terminal
        rows = torch.arange(start, min(start + _BATCH, images))
        batch, truth = digits.train.gather(rows % len(digits.train))
        is_copy = rows >= len(digits.train)
        distorted = (distort(batch.float() / 255, generator) * 255).round().to(torch.uint8)
        stored[start : start + len(rows)] = torch.where(is_copy[:, None, None, None], distorted, batch)[:, 0].numpy()
        labels[start : start + len(rows)] = truth.numpy()
    stored.flush()
    np.save(output / "train-labels.npy", labels)
    if digits.test is not None:
        np.save(output / "test-images.npy", digits.test.images[:, 0].numpy())
        if digits.test.labels is not None:
            np.save(output / "test-labels.npy", digits.test.labels.numpy().astype(np.uint8))


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8_000_000)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--source", default="mnist")
    parser.add_argument("--data_dir", type=Path, default=default_data_dir())
    parser.add_argument("--seed", type=int, default=0)
    write_memmap(**vars(parser.parse_args()))


if __name__ == "__main__":
    _main()
