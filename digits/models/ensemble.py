"""Several trained networks that answer together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digits.classes import describe_classes
from digits.errors import UserError
from digits.models.base import DigitClassifier
from digits.models.checkpoints import describe_network, load_model
from digits.models.families import build_network
from digits.models.layers import log_mean_probability


class Ensemble(DigitClassifier):
    """Answers with the mean of its members' probabilities; the logits are its logarithm.

    The classes are those of the members, which must agree.

    Args:
        checkpoints: Files with the members, which may be of different families.
        members: What builds each member's network (``class_path`` and ``hyper_parameters``); follows from the
            checkpoints, and stands in for them once the weights are known.

    """

    network: nn.ModuleList
    is_trained = True
    arguments_that_name_files = ("checkpoints",)

    def __init__(
        self,
        checkpoints: list[str] = [],  # noqa: B006 - never modified
        members: list[dict[str, Any]] = [],  # noqa: B006 - never modified
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if checkpoints:
            networks = [load_model(Path(path)) for path in checkpoints]
        else:
            networks = [build_network(member.get("class_path"), member.get("hyper_parameters")) for member in members]
        if not networks:
            raise UserError("an Ensemble needs members: give model.checkpoints a list of files")
        class_names = networks[0].class_names
        for number, network in enumerate(networks):
            if network.class_names != class_names:
                raise UserError(
                    f"the members must tell the same classes apart: {_name(checkpoints, 0)} has "
                    f"{describe_classes(class_names)}, {_name(checkpoints, number)} "
                    f"{describe_classes(network.class_names)}"
                )
        self._name_classes(class_names)
        self._chose_classes = networks[0]._chose_classes
        # With these the ensemble's own checkpoint needs no other file.
        self.hparams.update(checkpoints=[], members=[describe_network(network) for network in networks])
        self.network = nn.ModuleList(networks)

    def compute_logits(self, images: Tensor) -> Tensor:
        return log_mean_probability(torch.stack([member(images) for member in self.network]))


def _name(checkpoints: list[str], number: int) -> str:
    return checkpoints[number] if checkpoints else f"member {number}"
