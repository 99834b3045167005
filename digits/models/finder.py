"""Finds digits on pages: a fully convolutional network after "Objects as Points" (Zhou et al. 2019)."""

from __future__ import annotations

import numpy as np
import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from digits.boxes import STRIDE, UNIT, decode, unite
from digits.data.pages import PageBatch
from digits.models.page_figures import PageFigures


class FinderNetwork(nn.Module):
    """Pages ``(B, 1, H, W)`` float32 in ``[0, 1]``, sides multiples of 16, to maps ``(B, 15, H / 4, W / 4)``.

    Channel 0 is the logit of "a digit's middle is here", 1 to 10 are the logits of the digits, 11 to 14 the logarithms
    of the distances to the box's left, top, right and bottom side.
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int] = (16, 48, 96, 128),
        blocks: tuple[int, int, int] = (0, 1, 2),
        neck: int = 48,
    ) -> None:
        super().__init__()
        self.stem = _convolution(1, widths[0], 2, 5)
        stages = []
        for before, after, count in zip(widths, widths[1:], blocks, strict=False):
            stages.append(nn.Sequential(_convolution(before, after, 2), *(_Residual(after) for _ in range(count))))
        self.stages = nn.ModuleList(stages)
        self.laterals = nn.ModuleList(nn.Conv2d(width, neck, 1) for width in widths[1:])
        self.head = nn.Sequential(_convolution(neck, neck), nn.Conv2d(neck, 15, 1))
        final = self.head[-1]
        assert isinstance(final, nn.Conv2d)
        assert final.bias is not None
        nn.init.constant_(final.bias[:1], -4.0)
        self.to(memory_format=torch.channels_last)

    def forward(self, pages: Tensor) -> Tensor:
        features = self.stem((pages - 0.5) * 4)
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        merged = self.laterals[-1](levels[-1])
        for lateral, level in zip(list(self.laterals)[-2::-1], levels[-2::-1], strict=True):
            merged = lateral(level) + F.interpolate(merged, scale_factor=2.0, mode="nearest")
        return self.head(merged.relu())


def _convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        return (features + self.second(self.first(features))).relu()


def finder_loss(maps: Tensor, boxes: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The loss's parts for ``maps`` ``(B, 15, h, w)``, ``boxes`` ``(B, M, 4)`` in pixels and ``labels`` ``(B, M)``.

    A label is 0…9, -1 for boxes that are neither wanted nor unwanted, -2 for none. The middles' loss is CenterNet's
    focal loss on Gaussians; the class and the box (1 - IoU) count at the places near a middle, weighed by nearness.
    """
    height, width = maps.shape[2:]
    with torch.no_grad():
        size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1)
        middle = (boxes[..., 2:] + boxes[..., :2]) / 2
        spread = (0.12 * size).clamp(min=2.2)
        is_digit, is_ignored = labels >= 0, labels == -1
        xs = (torch.arange(width, dtype=torch.float32) + 0.5) * STRIDE
        ys = (torch.arange(height, dtype=torch.float32) + 0.5) * STRIDE
        # The place next to the middle is exactly 1.
        near = (middle / STRIDE).floor().add(0.5) * STRIDE
        across = torch.exp(-((xs - near[..., :1]) ** 2) / (2 * spread[..., :1] ** 2))
        down = torch.exp(-((ys - near[..., 1:]) ** 2) / (2 * spread[..., 1:] ** 2))
        gaussians = down[..., :, None] * across[..., None, :] * is_digit[..., None, None]  # (B, M, h, w)
        heat, owner = gaussians.max(dim=1)
        inside_x = (xs > boxes[..., :1]) & (xs < boxes[..., 2:3])
        inside_y = (ys > boxes[..., 1:2]) & (ys < boxes[..., 3:])
        ignored = (inside_y[..., :, None] & inside_x[..., None, :] & is_ignored[..., None, None]).any(dim=1)
        is_middle = heat > 0.999
    logits = maps[:, 0]
    probability = logits.sigmoid()
    positive = is_middle * (1 - probability) ** 2 * F.softplus(-logits)
    negative = ~is_middle * ~ignored * (1 - heat) ** 4 * probability**2 * F.softplus(logits)
    count = is_middle.sum().clamp(min=len(maps))
    centre = (positive + negative).sum() / count
    batch, row, column = torch.nonzero(heat > 0.4, as_tuple=True)
    if len(batch) == 0:
        zero = maps.sum() * 0
        return {"centre": centre, "class": zero, "box": zero}
    weight = heat[batch, row, column]
    weight = weight / weight.sum()
    which = owner[batch, row, column]
    answers = maps[batch, :, row, column]
    classes = F.cross_entropy(answers[:, 1:11], labels[batch, which], reduction="none", label_smoothing=0.05)
    place = torch.stack([xs[column], ys[row]], dim=1)
    wanted = boxes[batch, which]
    found = torch.cat([place, place], dim=1) + UNIT * answers[:, 11:15].clamp(-5, 4).exp() * maps.new_tensor(
        [-1, -1, 1, 1]
    )
    low, high = torch.maximum(found[:, :2], wanted[:, :2]), torch.minimum(found[:, 2:], wanted[:, 2:])
    overlap = (high - low).clamp(min=0).prod(dim=1)
    area = (found[:, 2:] - found[:, :2]).prod(dim=1) + (wanted[:, 2:] - wanted[:, :2]).prod(dim=1)
    box = 1 - overlap / (area - overlap)
    return {"centre": centre, "class": (weight * classes).sum(), "box": (weight * box).sum()}


class Finder(LightningModule):
    """Finds digits on pages ``(B, 1, H, W)`` float32 in ``[0, 1]``, of whatever ink and paper.

    Figures: ``map`` and ``map_50`` (mean average precision, torchmetrics'), ``digit_error_rate`` (edits between what
    stands in the lines and what is read, over the digits there), ``invented_per_page`` and ``missed``, the share of
    digits that no box was found for. ``accuracy``, by which the best checkpoint is kept, is what the error rate leaves.

    Args:
        widths: Channels at 1/2, 1/4, 1/8 and 1/16 of the page's size.
        blocks: Residual blocks at 1/4, 1/8 and 1/16.
        neck: Channels in which the sizes are brought together.
        learning_rate: The largest; it rises over the first ``warmup`` steps, and falls to 0 over the last share.
        weight_decay: Of the convolutions.
        warmup: Steps.
        cooldown: Share of the steps over which the learning rate falls.
        threshold: Least score of what counts as found.

    """

    is_trained = False
    arguments_that_name_files: tuple[str, ...] = ()

    def __init__(
        self,
        widths: tuple[int, int, int, int] = (16, 48, 96, 128),
        blocks: tuple[int, int, int] = (0, 1, 2),
        neck: int = 48,
        learning_rate: float = 2.0e-3,
        weight_decay: float = 0.02,
        warmup: int = 300,
        cooldown: float = 0.3,
        threshold: float = 0.4,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.network = FinderNetwork(tuple(widths), tuple(blocks), neck)  # type: ignore[arg-type]
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.warmup, self.cooldown = warmup, cooldown
        self.threshold = threshold
        self.example_input_array = torch.zeros(1, 1, 64, 64)
        self.predictions: PageFigures | None = None
        """The outcome of the latest validation or test."""
        self._collected: PageFigures

    def setup(self, stage: str) -> None:
        self._collected = PageFigures()  # not before the first validation, should what it needs be missing

    def forward(self, pages: Tensor) -> Tensor:
        return self.network(pages.contiguous(memory_format=torch.channels_last))

    @torch.inference_mode()
    def maps(self, pages: np.ndarray) -> np.ndarray:
        """Answers ``(B, 15, H / 4, W / 4)`` float32 for ``pages``: for those who know no torch."""
        return self.eval()(torch.from_numpy(pages).to(self.device)).float().numpy(force=True)

    def training_step(self, batch: PageBatch, batch_idx: int) -> Tensor:
        parts = finder_loss(self(batch.pages).float(), batch.boxes, batch.labels)
        loss = parts["centre"] + 0.5 * parts["class"] + parts["box"]
        self.log_dict({f"train/{name}_loss": part.detach() for name, part in parts.items()}, on_step=True)
        return loss

    def _evaluate(self, batch: PageBatch) -> None:
        with torch.autocast(self.device.type, enabled=False):
            maps = self(batch.pages).numpy(force=True)
        height, width = batch.pages.shape[2:]
        for answer, boxes, labels, lines in zip(maps, *(part.cpu() for part in batch[1:]), strict=True):
            found = unite(decode(answer, (height, width)))
            is_there = labels >= -1
            self._collected.add(found, boxes[is_there], labels[is_there], lines[is_there], self.threshold)

    def validation_step(self, batch: PageBatch, batch_idx: int) -> None:
        self._evaluate(batch)

    def test_step(self, batch: PageBatch, batch_idx: int) -> None:
        self._evaluate(batch)

    def on_validation_epoch_start(self) -> None:
        self._collected = PageFigures()

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_epoch_end(self) -> None:
        self._conclude("val")

    def on_test_epoch_end(self) -> None:
        self._conclude("test")

    def _conclude(self, split: str) -> None:
        self.predictions = self._collected
        for name, value in self.predictions.figures().items():
            self.log(f"{split}/{name}", value, prog_bar=name == "digit_error_rate")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        weights = [parameter for parameter in self.parameters() if parameter.ndim > 1]
        rest = [parameter for parameter in self.parameters() if parameter.ndim <= 1]
        groups = [{"params": weights, "weight_decay": self.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _rate(self, step: int) -> float:
        """Up, level, and down again: the share of the largest learning rate at a step."""
        total = self._total_steps()
        return min(1.0, (step + 1) / self.warmup, max(0.0, (total - step) / (self.cooldown * total)))

    def _total_steps(self) -> int:
        trainer = self.trainer
        assert trainer.datamodule is not None
        steps = len(trainer.datamodule.train_dataloader()) * (trainer.max_epochs or 1)
        return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)
