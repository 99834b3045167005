"""A map on which digits that a network finds alike lie together."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from torch import Tensor, nn

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
def embedding_figure(places: np.ndarray, labels: Tensor) -> Figure:
    """Draw each image of the map as its true digit."""
    figure = Figure(figsize=(8.0, 7.2))
    axes = figure.add_subplot()
    for digit in range(10):
        x, y = places[labels.numpy() == digit].T
        axes.scatter(x, y, s=22, marker=f"${digit}$", color=_COLOURS[digit], linewidths=0.2)
    axes.set(xticks=[], yticks=[], xlabel="t-SNE, first axis (no unit)", ylabel="t-SNE, second axis (no unit)")
    axes.set_title(f"{len(places):,} images as the network sees them: alike is near; each mark is the true digit")
    return figure


def colour_of(digit: int) -> str:
    """The colour of a digit on the map."""
    return _COLOURS[digit]
