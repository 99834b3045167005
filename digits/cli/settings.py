"""What a command line of the training verbs sets: LightningCLI's parser, and what a checkpoint brings beneath it."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt
from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from digits.classes import classes_of_data
from digits.cli.errors import strip_marks
from digits.cli.output import say
from digits.cli.parser import ConfigFile, DigitsParser, add_help, print_help
from digits.data import DigitsDataModule
from digits.errors import UserError
from digits.models import DigitClassifier, explained
from digits.onnx_network import OnnxNetwork
from digits.paths import expand
from digits.training import (
    Run,
    RunConfig,
    Trainer,
    check_settings,
    default_precision,
    flatten,
    named_by,
    open_checkpoint,
    plain,
    recorded_settings,
    refuse_inexact_resume,
)
from digits.trust import TRUST_HELP, trust

_NO_MODEL = "no model is chosen; give --config cnn, or --model CNN"
NEEDS_WEIGHTS = "trained weights: give --ckpt_path a file, or best or last"


class SettingsCLI(LightningCLI):
    """Made, it has parsed the command line and built what that describes.

    Args:
        arguments: The command line, from the verb on.

    """

    model: DigitClassifier
    datamodule: LightningDataModule

    def __init__(self, arguments: list[str]) -> None:
        self.verb = arguments[0]
        self.checkpoint: Path | None = None
        self.named: str | None = None
        self.resumed: dict[str, Any] | None = None
        self.run: Run | None = None
        self.changed: list[str] = []
        super().__init__(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=RunConfig,
            trainer_class=Trainer,
            trainer_defaults={"devices": 1, "num_sanity_val_steps": 0},
            seed_everything_default=0,
            parser_class=DigitsParser,
            args=arguments[1:],
            run=False,  # the verbs are the table in __main__
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def init_parser(self, **kwargs: Any) -> DigitsParser:
        usage = f"digits {self.verb} [--config RECIPE] [--model CLASS] [--OPTION VALUE]..."
        parser = DigitsParser(prog=f"digits {self.verb}", usage=usage, description=None, add_help=False, **kwargs)
        add_help(parser)
        parser.add_argument(
            "-c", "--config", action=ConfigFile, help="A YAML file with settings, or the name of a shipped recipe."
        )
        return parser

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(Trainer, "trainer")
        parser.set_defaults({f"trainer.{key}": value for key, value in self.trainer_defaults.items()})
        parser.add_lightning_class_args(LightningModule, "model", subclass_mode=True, required=False)
        parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True, required=False)
        parser.set_defaults({"data": {"class_path": f"{DigitsDataModule.__module__}.{DigitsDataModule.__name__}"}})
        parser.link_arguments("data", "model.init_args.class_names", self._classes_for_model, apply_on="instantiate")
        parser.groups["trainer"].title = "How to train: Lightning's Trainer"
        parser.groups["model"].title = "What to train: a model of digits, or any LightningModule"
        parser.groups["data"].title = "What to train on: the digits' own data module, or any LightningDataModule"

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--experiment", type=str | None, help="Name of the experiment; the first configuration's file name."
        )
        parser.add_argument("--runs_dir", type=str, default="runs", help="Where the folders of runs are made.")
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            help="fit: go on with this checkpoint; else: evaluate it. A file, or best or last of the newest run.",
        )
        parser.add_argument(
            "--init_from", type=str | None, help="Start from the weights of this checkpoint alone, as a new run."
        )
        parser.add_argument(
            "--checkpoint_every_n_steps",
            type=PositiveInt | None,
            help="fit: save last.ckpt within epochs too, after every so many optimizer steps.",
        )
        parser.add_argument(
            "--report",
            type=bool,
            default=True,
            help="fit: end with the page of pictures that the verb `report` writes.",
        )
        parser.add_argument("--trust", type=str | None, help=f"{TRUST_HELP[0].upper()}{TRUST_HELP[1:]}.")

    def parse_arguments(self, parser: DigitsParser, args: list[str]) -> None:
        try:
            self._parse(parser, args)
        except UserError as error:
            raise UserError(strip_marks(str(error))) from None

    def _parse(self, parser: DigitsParser, args: list[str]) -> None:
        """Parse, laying the configuration of the checkpoint that is named beneath all else."""
        asked = self._look_at_run_settings(parser, args)
        configs = [str(config) for config in asked.config or [] if config is not None]
        self.experiment = asked.experiment or (Path(configs[0]).stem if configs else None)
        trust(asked.trust)
        beneath, above = self._from_checkpoint(asked, args)
        config = parser.parse_args(args, namespace=beneath and parser.parse_object(deepcopy(beneath), defaults=False))
        self.config = parser.parse_object(above, config) if above else config
        if self.config.pop("help", False):
            print_help(parser, self.config)
            raise SystemExit(0)
        if self.config.model is None:
            raise UserError(_NO_MODEL if self.verb == "fit" else f"{self.verb} needs {NEEDS_WEIGHTS}")

    def _look_at_run_settings(self, parser: DigitsParser, args: list[str]) -> Namespace:
        """The run's own settings, which say what is beneath those of model, data and trainer.

        Read as all settings are, from files and flags in their order, but without looking inside model, data and
        trainer: what a flag of these means depends on the checkpoint.
        """
        opaque = self.init_parser(print_config=None)
        self.add_default_arguments_to_parser(opaque)
        self.add_arguments_to_parser(opaque)
        for group in ("trainer", "model", "data"):
            opaque.add_argument(f"--{group}", type=dict | str | None)
        try:
            asked = opaque.parse_args(args)
        except UserError:
            parser.parse_args(args)  # which knows every option, and words the complaint better
            raise
        for key in ("runs_dir", "ckpt_path", "init_from"):
            if asked[key] is not None:
                asked[key] = str(expand(asked[key]))
        return asked

    def _from_checkpoint(self, asked: Namespace, args: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings that the checkpoint in ``asked`` brings: those that others change, and those that stand."""
        if asked.ckpt_path is None:
            return {}, {}
        if asked.ckpt_path.endswith(".onnx"):
            self.named = asked.ckpt_path
            about = OnnxNetwork(Path(asked.ckpt_path)).about
            model = {"class_path": "digits.models.OnnxModel", "init_args": {"path": asked.ckpt_path}}
            data = {"data": about.get("config", {}).get("data", {})}
            with explained(Path(asked.ckpt_path)):
                check_settings(data)
            return data, {"model": model}
        self.checkpoint, self.resumed = open_checkpoint(asked.ckpt_path, Path(asked.runs_dir), self.experiment)
        self.run = Run.of(self.checkpoint)
        self.read_ns = self.checkpoint.stat().st_mtime_ns
        named = named_by(args, asked.config)
        settings = recorded_settings(self.checkpoint, self.resumed, self.verb, self.run, asked.runs_dir, named)
        self.resumed["digits_config"] = settings
        return deepcopy(settings), {}  # jsonargparse changes what it parses

    def _parse_ckpt_path(self) -> None:
        """Lightning would let the checkpoint's hyperparameters override configuration and flags; here these win."""

    def before_instantiate_classes(self) -> None:
        config = self.config
        config.experiment = config.experiment or self.experiment or config.model.class_path.rpartition(".")[2].lower()
        config.ckpt_path = self.checkpoint and str(self.checkpoint)
        for key in ("runs_dir", "init_from"):
            config[key] = config[key] and str(expand(config[key]))
        if config.trainer.precision is None:
            config.trainer.precision = default_precision(config.trainer.accelerator)
        if self.resumed is not None and self.verb == "fit":
            assert self.checkpoint is not None
            refuse_inexact_resume(self.checkpoint, self.resumed)
            if config.trainer.fast_dev_run:
                raise UserError("trainer.fast_dev_run tries a new run; use --init_from instead of --ckpt_path")
            former = self.resumed["digits_config"]
            self.changed = self._differences(former)
            config.seed_everything = former["seed_everything"]

    def _differences(self, former: dict[str, Any]) -> list[str]:
        """The keys whose values differ from the ``former`` configuration; each is printed."""
        before = flatten(former)
        now = flatten(plain(self.parser, self.config))
        differing = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
        changed = [key for key in differing if key not in ("ckpt_path", "init_from", "seed_everything", "trust")]
        for key in changed:
            say(f"{key}: {before.get(key)} in the checkpoint, now {now.get(key)}")
        if "seed_everything" in differing:
            say(f"seed_everything stays {before['seed_everything']}, the seed of the run that is resumed")
        return changed

    def _classes_for_model(self, data: LightningDataModule) -> list[str] | None:
        """What the model tells apart: the data's classes, or, where these name none, the checkpoint's."""
        of_data = classes_of_data(data)
        if of_data is not None:
            return list(of_data)
        return (self.resumed or {}).get("hyper_parameters", {}).get("class_names")
