"""A run's configuration, kept with it."""

from __future__ import annotations

import shutil
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning_utilities.core.enums import StrEnum
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.cli import LightningArgumentParser, SaveConfigCallback

from digits.replacing import replacing
from digits.training.run import Run

# Lightning's Timer has such a default, which no YAML writer knows.
yaml.SafeDumper.add_multi_representer(StrEnum, lambda dumper, value: dumper.represent_str(str(value.value)))


def plain(parser: LightningArgumentParser, config: Namespace) -> dict[str, Any]:
    """A parsed configuration as YAML holds it; of the digits' own data module without its class."""
    settings = yaml.safe_load(parser.dump(config, skip_none=False, format="yaml"))
    data = settings["data"]
    if data is not None and data["class_path"] in ("digits.DigitsDataModule", "digits.data.DigitsDataModule"):
        settings["data"] = data["init_args"]
    return settings


class RunConfig(SaveConfigCallback):
    """Keeps the resolved configuration: in the run's config.yaml and inside every checkpoint.

    A resume with other settings copies the former file to config-1.yaml and so on; nothing is lost.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit" and trainer.is_global_zero and trainer.loggers:
            path = Run(Path(str(trainer.loggers[-1].save_dir))).config_file
            text = yaml.safe_dump(self._plain, sort_keys=False)
            if path.is_file() and path.read_text() != text:
                number = 1 + len(list(path.parent.glob("config-*.yaml")))
                shutil.copy(path, path.with_name(f"config-{number}.yaml"))
            with replacing(path) as file:
                file.write(text)

    @cached_property
    def _plain(self) -> dict[str, Any]:
        config = self.config.clone()
        config.ckpt_path = None  # the run is the same whether it was resumed or not
        return plain(self.parser, config)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["digits_config"] = self._plain
