"""A map on which digits that a network finds alike lie together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from torch import Tensor, nn

from digits.classes import noun
from digits.evaluation.style import styled
from digits.models import DigitClassifier

# They differ in lightness too; the digits themselves are the marks, so colour alone carries nothing.
_COLOURS = (
    "#332288",
    "#88ccee",
    "#44aa99",
    "#117733",
    "#999933",
    "#ddaa33",
    "#cc6677",
    "#882255",
    "#aa4499",
    "#777777",
)


@torch.inference_mode()
def features_of(model: DigitClassifier, images: Tensor) -> Tensor:
    """What the last linear layer is given for each image, ``(N, features)`` float32; the logits where there is none.

    ``images`` are ``(N, 1, 28, 28)`` uint8. A model of several networks is represented by its last one.
    """
    inputs: list[Tensor] = []
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    hook = linear[-1].register_forward_pre_hook(lambda _, given: inputs.append(given[0])) if linear else None
    try:
        logits = torch.cat([model.compute_logits(part.to(model.device).float() / 255) for part in images.split(500)])
    finally:
        if hook is not None:
            hook.remove()
    return (torch.cat(inputs).flatten(1) if inputs else logits).float().cpu()


def map_features(features: Tensor) -> np.ndarray:
    """Places ``(N, 2)`` float32 on a plane, near where the features are near (t-SNE, van der Maaten 2008)."""
    perplexity = min(30, (len(features) - 1) / 3)
    method = TSNE(init="pca", perplexity=perplexity, max_iter=500, random_state=0, n_jobs=-1)
    return method.fit_transform(features.numpy())


@styled
def embedding_figure(places: np.ndarray, labels: Tensor, class_names: Sequence[str]) -> Figure:
    """Draw each image of the map as its true class: its character, or a dot, with the name where most of them lie."""
    figure = Figure(figsize=(8.0, 7.2))
    axes = figure.add_subplot()
    for number in labels.unique().tolist():
        name, points = class_names[number], places[labels.numpy() == number]
        is_character = len(name) == 1 and name.isascii() and name.isalnum()
        marker = f"${name}$" if is_character else "."
        axes.scatter(points[:, 0], points[:, 1], s=22, marker=marker, color=colour_of(number), linewidths=0.2)
        if not is_character:
            axes.annotate(name, np.median(points, axis=0), ha="center", va="center", parse_math=False, fontsize=8)
    axes.set(xticks=[], yticks=[], xlabel="t-SNE, first axis (no unit)", ylabel="t-SNE, second axis (no unit)")
    axes.set_title(
        f"{len(places):,} images as the network sees them: alike is near; each mark is the true {noun(class_names)}"
    )
    return figure


def colour_of(label: int) -> str:
    """The colour of a class on the map; those of more than ten come round again."""
    return _COLOURS[label % len(_COLOURS)]
