"""Make the network that tells digits from what is none, and how its answers are weighed, from composed pages.

    python scripts/fetch_typefaces.py
    python -m digits fit --config configs/reader.yaml
    python scripts/ship_box_reader.py --finder runs/reader/version_0/checkpoints/last.ckpt

A finder's candidates on pages of MNIST's training images are cut out: what lies on a digit is that digit, the rest is
none. How the answers are weighed is fitted to what the recognizer marks on pages of the images that validate. No
picture that anybody took is looked at.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou

from digits.boxes import Candidates, decode, unite
from digits.data import PagesDataModule
from digits.data.pages import ComposedPage, Composer
from digits.models import Finder, read_checkpoint
from digits.models.box_reader import NO_DIGIT, BoxReader
from digits.recognition import Recognizer
from digits.recognition.judging import BOX_READER, Judge
from digits.recognition.squares import cut

_SAME, _NEAR = 0.5, 0.3
"""Overlaps from which a candidate lies on a digit, and up to which it is none."""


def composer_of(data: PagesDataModule, use: str) -> Composer:
    """What composes pages of the training or the validation images."""
    loader = data.train_dataloader() if use == "training" else data.val_dataloader()
    return loader.dataset.composer  # type: ignore[attr-defined]


def labels_of(boxes: np.ndarray, page: ComposedPage) -> np.ndarray:
    """For each box the digit that it lies on, ``NO_DIGIT``, or -1 where nobody can say."""
    labels = np.full(len(boxes), NO_DIGIT)
    if len(boxes) and len(page.boxes):
        overlap = box_iou(torch.from_numpy(boxes), torch.from_numpy(page.boxes)).numpy()
        nearest = page.labels[overlap.argmax(axis=1)]
        is_on_digit = (overlap.max(axis=1) > _SAME) & (nearest >= 0)
        touches_ignored = (overlap[:, page.labels < 0] > 0).any(axis=1)
        labels[~is_on_digit & ((overlap.max(axis=1) > _NEAR) | touches_ignored)] = -1
        labels[is_on_digit] = nearest[is_on_digit]
    return labels


def make_squares(finder: Finder, composer: Composer, pages: int) -> tuple[Tensor, Tensor]:
    """Squares ``(N, 1, 28, 28)`` uint8 from composed pages, and their labels ``(N,)``."""
    generator = np.random.default_rng(composer.seed)
    squares, labels = [], []
    for number in range(pages):
        page = composer(number)
        grey = page.image.astype(np.float32) / 255
        found: Candidates = unite(decode(finder.maps(grey[None, None])[0], (composer.side, composer.side)))
        of_found = labels_of(found.boxes, page)
        kept = np.concatenate(
            [np.flatnonzero((of_found >= 0) & (of_found < NO_DIGIT)), np.flatnonzero(of_found == NO_DIGIT)[:14]]
        )
        written = page.labels >= 0
        size = (page.boxes[written, 2:] - page.boxes[written, :2]).max(axis=1, keepdims=True, initial=0)
        shaken = page.boxes[written] + generator.normal(0, 0.05, (int(written.sum()), 4)) * size
        squares.append(
            (cut(grey, np.concatenate([found.boxes[kept], shaken]).astype(np.float32)) * 255).astype(np.uint8)
        )
        labels.append(np.concatenate([of_found[kept], page.labels[written]]))
    return torch.from_numpy(np.concatenate(squares)), torch.from_numpy(np.concatenate(labels)).long()


def train(squares: Tensor, labels: Tensor, epochs: int, batch_size: int = 256) -> BoxReader:
    """Train a BoxReader; its averaged weights are returned."""
    network = BoxReader().to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    steps = epochs * len(squares) // batch_size
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.15)
    for step in range(steps):
        chosen = torch.randint(0, len(squares), (batch_size,))
        images = distort(squares[chosen].float() / 255)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(images.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), labels[chosen], label_smoothing=0.03)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            share = 1 - min(0.999, step / (step + 20))
            for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                mean.lerp_(value, share) if mean.is_floating_point() else mean.copy_(value)
        if (step + 1) % 200 == 0:
            print(f"step {step + 1} of {steps}: loss {loss.item():.3f}", flush=True)
    return average


def distort(images: Tensor) -> Tensor:
    """Move, turn and stretch each image a little, and turn ink and paper round in three of ten."""
    count = len(images)
    affine = torch.randn(count, 2, 3) * 0.04 + torch.eye(2, 3)
    affine[:, :, :2] *= torch.exp(torch.randn(count, 1, 1) * 0.06)
    places = F.affine_grid(affine, list(images.shape), align_corners=False)
    images = F.grid_sample(images, places, padding_mode="border", align_corners=False)
    is_turned_round = torch.rand(count, 1, 1, 1) < 0.3
    return torch.where(is_turned_round, 1 - images, images)


def fit_judge(network: BoxReader, composer: Composer, pages: int) -> dict[str, float]:
    """How much each answer counts, fitted to what the recognizer marks on composed pages."""
    recognizer = Recognizer.pretrained()
    recognizer.judge = Judge(network, 1.0, 0.0, 0.0, 1.0)
    boxes_said, digits_said, truths = [], [], []
    for number in range(pages):
        page = composer(number)
        grey = page.image.astype(np.float32) / 255
        read = recognizer.read(grey, "page")
        readings = [reading for line in read.lines for reading in line] + read.rejected
        if not readings:
            continue
        boxes = np.array([reading.box for reading in readings], dtype=np.float32)
        boxes_said.append(torch.from_numpy(network.logits(cut(grey, boxes))).log_softmax(dim=1))
        digits_said.append(torch.tensor([reading.probabilities for reading in readings]).add(1e-4).log())
        truths.append(torch.from_numpy(labels_of(boxes, page)))
    box, digit, truth = torch.cat(boxes_said), torch.cat(digits_said), torch.cat(truths)
    box, digit, truth = box[truth >= 0], digit[truth >= 0], truth[truth >= 0]
    odds, is_digit = box[:, :10].logsumexp(dim=1) - box[:, 10], truth < NO_DIGIT
    weights = torch.tensor([1.0, 0.0, 1.0, 0.5], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200)

    def loss() -> Tensor:
        optimizer.zero_grad()
        which = weights[2] * box[is_digit, :10] + weights[3] * digit[is_digit]
        sure = F.binary_cross_entropy_with_logits(weights[0] * odds + weights[1], is_digit.float())
        total = sure + F.cross_entropy(which, truth[is_digit])
        total.backward()
        return total

    optimizer.step(loss)
    return dict(zip(("sure", "bias", "box", "digit"), weights.tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finder", type=Path, required=True, help="a checkpoint of configs/reader.yaml")
    parser.add_argument("--pages", type=int, default=9000, help="composed pages to train on")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--judged", type=int, default=400, help="composed pages that the weighing is fitted to")
    options = parser.parse_args()
    torch.manual_seed(1)
    checkpoint = read_checkpoint(options.finder)
    finder = Finder(**checkpoint["hyper_parameters"])
    finder.load_state_dict(checkpoint["state_dict"])
    data = PagesDataModule()
    data.prepare_data()
    data.setup("fit")
    network = train(*make_squares(finder, composer_of(data, "training"), options.pages), options.epochs)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, BOX_READER)
    judge = fit_judge(network, composer_of(data, "validation"), options.judged)
    about = {"judge": judge, "pages": options.pages, "epochs": options.epochs, "typefaces": data.typefaces is not None}
    BOX_READER.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n")
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 1, 28, 28),),
        input_names=["squares"],
        dynamic_shapes=({0: torch.export.Dim("squares")},),
    )
    assert program is not None
    program.save(BOX_READER.with_suffix(".onnx"))


if __name__ == "__main__":
    main()
