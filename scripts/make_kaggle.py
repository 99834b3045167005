"""Make files in the form of Kaggle's digit-recognizer competition from MNIST, or grade a submission.

    python scripts/make_kaggle.py --output kaggle
    python -m digits fit --config configs/classics/mlp-kaggle.yaml --data.data_dir kaggle
    python -m digits predict --ckpt_path best --experiment mlp-kaggle
    python scripts/make_kaggle.py --grade runs/mlp-kaggle/version_0/submission.csv --output kaggle

The 70,000 images of both of MNIST's sets are shuffled, with a fixed seed, into train.csv (42,000 with labels), test.csv
(28,000 without) and truth.csv (the labels of these, which Kaggle keeps to itself). The rows are not Kaggle's own.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from digits.data import default_data_dir, find_source

TRAINING, TEST = 42_000, 28_000
_PIXELS = [f"pixel{number}" for number in range(784)]


def write_kaggle(output: Path, source: str, data_dir: Path, training: int = TRAINING, test: int = TEST) -> None:
    """Write train.csv, test.csv and truth.csv to the folder ``output``."""
    digits = find_source(source).load(data_dir)
    parts = [part for part in (digits.train, digits.test) if part is not None and part.labels is not None]
    images = np.concatenate([part.images.flatten(1).numpy() for part in parts])
    labels = np.concatenate([part.labels.numpy() for part in parts if part.labels is not None])
    order = np.random.default_rng(0).permutation(len(images))[: training + test]
    output.mkdir(parents=True, exist_ok=True)
    first, second = order[:training], order[training:]
    rows = np.column_stack([labels[first], images[first]])
    np.savetxt(output / "train.csv", rows, "%d", ",", header=",".join(["label", *_PIXELS]), comments="")
    np.savetxt(output / "test.csv", images[second], "%d", ",", header=",".join(_PIXELS), comments="")
    truth = np.column_stack([np.arange(1, len(second) + 1), labels[second]])
    np.savetxt(output / "truth.csv", truth, "%d", ",", header="ImageId,Label", comments="")


def grade(submission: Path, truth: Path) -> float:
    """The share of right answers, as Kaggle would state it."""
    given, right = (
        {row["ImageId"]: row["Label"] for row in csv.DictReader(path.read_text().splitlines())}
        for path in (submission, truth)
    )
    return sum(given[number] == label for number, label in right.items()) / len(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the folder of the files")
    parser.add_argument("--grade", type=Path, metavar="SUBMISSION", help="state the accuracy of a submission.csv")
    options = parser.parse_args()
    if options.grade:
        print(f"{100 * grade(options.grade, options.output / 'truth.csv'):.2f} % of the test images")
    else:
        write_kaggle(options.output, "mnist", default_data_dir())


if __name__ == "__main__":
    main()
