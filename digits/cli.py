"""The training verbs: LightningCLI, wired to this package's model, data and run folders."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt
from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.callbacks import Callback, ModelSummary
from pytorch_lightning.callbacks import ProgressBar as BaseProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from digits.classes import TEN_DIGITS, classes_of_data, describe_classes
from digits.cli_errors import strip_marks
from digits.cli_parser import ConfigFile, DigitsParser, add_help, print_help
from digits.data import DigitsDataModule
from digits.errors import UserError, find_disk_error
from digits.models import DigitClassifier, check_weights, explained
from digits.onnx_network import OnnxNetwork
from digits.paths import expand
from digits.reporting import write_report
from digits.training import (
    AtomicCheckpointIO,
    EpochTable,
    EvaluationPictures,
    LastCheckpoint,
    ProgressBar,
    Run,
    RunConfig,
    RunCurves,
    SaveLastEpoch,
    SeedEachBatch,
    StopOnDivergence,
    StopOnSignal,
    Stopwatch,
    TakeUpNewSettings,
    Trainer,
    best_checkpoint,
    check_settings,
    conclude,
    context,
    default_precision,
    describe,
    evaluate,
    flatten,
    is_lightnings_complaint,
    keep_freed_memory,
    name_of,
    named_by,
    open_checkpoint,
    plain,
    recorded_settings,
    refusal,
    refuse_idle_settings,
    refuse_inexact_resume,
    refuse_inexact_settings,
    why_stopped,
    write_json,
    write_predictions,
    write_submission,
)
from digits.trust import TRUST_HELP, trust

_NO_MODEL = "no model is chosen; give --config cnn, or --model CNN"
_WEIGHTS = "trained weights: give --ckpt_path a file, or best or last"
_NOISE = (
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*Checkpoint directory .* exists and is not empty.*",
    r".*is smaller than the logging interval.*",
    r".*it is recommended to use `Trainer\(devices=1.*",
    r".*callbacks used to create the checkpoint need to be provided.*",
    r".*using the WeightAveraging callback, but loading a checkpoint outside.*",
    r".*It is recommended to use `self.log\(.*sync_dist=True\)`.*",  # every figure is already that of all processes
    r".*is not supported by the model summary.*",
    r".*torch\.jit\.trace.* is deprecated.*",  # TensorBoard's way to a model's graph
)


def main(arguments: list[str]) -> None:
    """Run ``fit``, ``validate``, ``test`` or ``predict``; ``arguments`` begin with the verb."""
    # Lightning announces devices, seeds and products here; what concerns a run is printed by the run.
    for chatty in ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.seed"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    for pattern in _NOISE:
        warnings.filterwarnings("ignore", message=pattern)
    keep_freed_memory()
    threading.excepthook = _report_unless_disk_error
    try:
        with ExitStack() as held:
            DigitsCLI(arguments, held).execute()
    except ValueError as error:  # which is what jsonargparse makes of a UserError from a model's constructor
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        raise
    except SystemExit as stop:  # which is how Lightning answers Ctrl-C outside training
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


def _report_unless_disk_error(args: threading.ExceptHookArgs) -> None:
    """TensorBoard writes in a thread of its own; when the disk refuses, the main thread says so, in one line."""
    if find_disk_error(args.exc_value) is None:
        threading.__excepthook__(args)


class DigitsCLI(LightningCLI):
    """``fit``, ``validate``, ``test`` and ``predict``: made, it has parsed and built; ``execute`` runs the verb.

    Args:
        arguments: The command line, from the verb on.
        held: Keeps the lock on the run that is trained.

    """

    model: DigitClassifier
    datamodule: LightningDataModule

    def __init__(self, arguments: list[str], held: ExitStack) -> None:
        self._held = held
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

    # Settings

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
        config = parser.parse_args(args, namespace=beneath and parser.parse_object(beneath, defaults=False))
        self.config = parser.parse_object(above, config) if above else config
        if self.config.pop("help", False):
            print_help(parser, self.config)
            raise SystemExit(0)
        if self.config.model is None:
            raise UserError(_NO_MODEL if self.verb == "fit" else f"{self.verb} needs {_WEIGHTS}")

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
            data = {"data": about["config"]["data"]}
            with explained(Path(asked.ckpt_path)):
                check_settings(data)
            return data, {"model": model}
        self.checkpoint, self.resumed = open_checkpoint(asked.ckpt_path, Path(asked.runs_dir), self.experiment)
        self.run = Run.of(self.checkpoint)
        self._read_ns = self.checkpoint.stat().st_mtime_ns
        named = named_by(args, asked.config)
        settings = recorded_settings(self.checkpoint, self.resumed, self.verb, self.run, asked.runs_dir, named)
        self.resumed["digits_config"] = settings
        return settings, {}

    def _parse_ckpt_path(self) -> None:
        """Lightning would let the checkpoint's hyperparameters override configuration and flags; here these win."""

    def before_instantiate_classes(self) -> None:
        config = self.config
        config.experiment = config.experiment or self.experiment or _short_name(config.model.class_path)
        config.ckpt_path = self.checkpoint and str(self.checkpoint)
        for key in ("runs_dir", "init_from"):
            config[key] = config[key] and str(expand(config[key]))
        if config.trainer.precision is None:
            config.trainer.precision = default_precision(_device_type(config.trainer.accelerator))
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
            _say(f"{key}: {before.get(key)} in the checkpoint, now {now.get(key)}")
        if "seed_everything" in differing:
            _say(f"seed_everything stays {before['seed_everything']}, the seed of the run that is resumed")
        return changed

    def _classes_for_model(self, data: LightningDataModule) -> list[str] | None:
        """What the model tells apart: the data's classes, or, where these name none, the checkpoint's."""
        of_data = classes_of_data(data)
        if of_data is not None:
            return list(of_data)
        return (self.resumed or {}).get("hyper_parameters", {}).get("class_names")

    # Trainer

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:  # which is what jsonargparse makes of a logger whose package is missing
            cause = error.__cause__
            while isinstance(cause, ValueError):  # one around another
                cause = cause.__cause__
            if isinstance(cause, ModuleNotFoundError):
                raise UserError(" ".join(str(cause).split())) from None
            raise
        if self.resumed is not None and self.checkpoint is not None:
            if isinstance(self.model, DigitClassifier):
                self.model.check_classes(self.resumed.get("hyper_parameters", {}))
            with explained(self.checkpoint):
                check_weights(self.model, self.resumed["state_dict"])

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        settings = self.config_init.trainer
        if self.verb == "fit":
            kwargs |= self._run_folder(settings)
        else:
            self.save_config_callback = None
            bar: list[Callback] = [ProgressBar()] if settings.enable_progress_bar is not False else []
            kwargs |= {"logger": False, "callbacks": bar}
            kwargs |= {"enable_model_summary": False, "enable_checkpointing": False}
        kwargs["plugins"] = [*_as_list(settings.plugins), AtomicCheckpointIO()]
        try:
            return super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ValueError) as error:
            raise UserError(f"{' '.join(str(error).split())} (see --trainer.* in `fit --help`)") from None

    def _run_folder(self, settings: Namespace) -> dict[str, Any]:
        """Loggers and callbacks that make up the run's folder, beside those of the configuration."""
        unwanted: list[type[Callback]] = [ModelSummary] if settings.enable_model_summary is False else []
        unwanted += [BaseProgressBar] if settings.enable_progress_bar is False else []
        wanted = [callback for callback in settings.callbacks or [] if not isinstance(callback, tuple(unwanted))]
        refuse_idle_settings(settings)
        refuse_inexact_settings(wanted, settings.val_check_interval)
        if settings.enable_checkpointing is False and not settings.fast_dev_run:
            raise UserError(
                "trainer.enable_checkpointing false: fit ends with testing its best checkpoint, so it keeps that and "
                "the last; leave it out"
            )
        callbacks: list[Callback] = [*wanted, SeedEachBatch(), EvaluationPictures(), Stopwatch()]
        if settings.enable_progress_bar is not False and not any(isinstance(c, BaseProgressBar) for c in wanted):
            callbacks.append(ProgressBar())
        if self.changed:
            callbacks.append(TakeUpNewSettings(self.changed))
        if settings.fast_dev_run:
            return {"callbacks": [*callbacks, StopOnDivergence(None)]}
        if _is_first_process():
            self.run = self.run or Run.claim(Path(self.config.runs_dir), self.config.experiment)
            self._held.enter_context(self.run.lock())
            if self.checkpoint is not None and self.checkpoint.stat().st_mtime_ns != self._read_ns:
                raise UserError(f"{self.checkpoint} has been written anew meanwhile; start again")
        else:
            self.run = Run(Path(self.config.runs_dir, self.config.experiment, "elsewhere"))  # only rank 0 writes
        step = None if self.resumed is None else int(self.resumed["global_step"])
        loggers: list[Any] = [] if settings.logger is False else [RunCurves(self.run.folder, step)]
        if settings.logger not in (None, True, False):
            loggers += _as_list(settings.logger)
        folder = self.run.checkpoints
        best = best_checkpoint(folder)
        last = LastCheckpoint(folder, self.config.checkpoint_every_n_steps)
        return {
            "callbacks": [
                *(SaveLastEpoch([best, last]), *callbacks, StopOnDivergence(self.run.folder)),
                *(best, last, StopOnSignal(last)),
            ],
            "logger": [*loggers, EpochTable(self.run.folder, step)],
        }

    # Verbs

    def execute(self) -> None:
        """Run the verb."""
        getattr(self, self.verb)()

    def _load_weights(self) -> None:
        if self.config.init_from is not None and self.resumed is None:
            path, content = open_checkpoint(self.config.init_from, Path(self.config.runs_dir), None)
            with explained(path):
                check_weights(self.model, content["state_dict"])
            self.model.load_state_dict(content["state_dict"])
            if self.verb != "fit" and isinstance(self.model, DigitClassifier):  # fit may go on to another alphabet
                self.model.check_classes(content["hyper_parameters"])

    def fit(self) -> None:
        try:
            self._load_weights()
            if isinstance(self.model, DigitClassifier) and self.model.class_names != TEN_DIGITS:
                _say(describe_classes(self.model.class_names))
            self.trainer.fit(self.model, datamodule=self.datamodule, ckpt_path=self.config.ckpt_path)
            if self.trainer.global_step == 0:
                raise UserError(
                    "no step was trained; trainer.max_epochs, max_steps and limit_train_batches must leave one"
                )
        except UserError:
            self._discard_empty_run()
            raise
        except Exception as error:
            # TensorBoard writes too, and wraps what the disk says in errors of its own.
            refused = find_disk_error(error)
            if refused is None:
                self._discard_empty_run()
                if is_lightnings_complaint(error):
                    raise UserError(f"{' '.join(str(error).split())} (see --trainer.* in `fit --help`)") from None
                raise
            raise refusal(Path(refused.filename or (self.run.folder if self.run else ".")), refused) from None
        self._conclude()

    def _discard_empty_run(self) -> None:
        """A run that failed before its first checkpoint leaves no folder behind."""
        if self.resumed is not None or self.run is None:
            return
        if not any((self.run.folder / name).exists() for name in ("checkpoints", "stopped.txt")):
            shutil.rmtree(self.run.folder, ignore_errors=True)

    def _conclude(self) -> None:
        if self.trainer.fast_dev_run:
            return
        early = why_stopped(self.trainer)
        figures = conclude(self.trainer, self.model, self.datamodule, plain(self.parser, self.config))
        if self.trainer.is_global_zero:
            if early is not None:
                _say(early)
            speed = f"trained in {figures['seconds']:.1f} s"
            if "images_per_second" in figures:
                speed += f", {figures['images_per_second']:,} images/s"
            assert self.run is not None
            _say(f"{describe(figures, self.datamodule)} · {speed} · {self.run.folder}")
            if self.config.report and not isinstance(self.datamodule, DigitsDataModule):
                _say("no report: the images are known of the digits' own data module alone, not of another")
            elif self.config.report:
                _say(f"{write_report(self.run, self.datamodule)}")

    def _need_weights(self) -> None:
        if self.checkpoint is None and self.config.init_from is None and not self.model.is_trained:
            raise UserError(f"{self.verb} needs {_WEIGHTS}")
        self._load_weights()

    def validate(self) -> None:
        self._report("val")

    def test(self) -> None:
        self._report("test")

    def _report(self, split: str) -> None:
        self._need_weights()
        figures = evaluate(self.trainer, self.model, self.datamodule, split, self.checkpoint)
        if not self.trainer.is_global_zero:
            return
        for name, value in figures.items():
            print(f"{name:<22} {value}")  # noqa: T201 - this is what was asked for
        if self.run is not None and split == "test":
            path = self.run.folder / f"test-{name_of(self.datamodule)}.json"
            write_json(path, {**figures, "checkpoint": str(self.checkpoint), **context(self.datamodule)})
        _say(f"{describe(figures, self.datamodule)} · {self.checkpoint or self.named or type(self.model).__name__}")

    def predict(self) -> None:
        self._need_weights()
        self.trainer.predict(
            self.model,
            datamodule=self.datamodule,
            ckpt_path=self.checkpoint,
            weights_only=True,
            return_predictions=False,
        )
        if not self.trainer.is_global_zero:
            return
        predictions, data = self.model.predictions, self.datamodule
        assert predictions is not None
        names = data.digits.test.names if isinstance(data, DigitsDataModule) and data.digits.test is not None else None
        folder = self.run.folder if self.run else Path()
        files = {} if names is None else {"file": names}
        write_predictions(folder / "predictions.csv", predictions, **files)
        written = [folder / "predictions.csv"]
        if name_of(data) == "csv":
            write_submission(folder / "submission.csv", predictions)
            written.append(folder / "submission.csv")
        _say(f"{len(predictions.indices):,} predictions · {' · '.join(map(str, written))}")


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _say(line: str) -> None:
    if rank_zero_only.rank == 0:
        print(line, flush=True)  # noqa: T201 - the command line's own output


def _is_first_process() -> bool:
    """Whether this process writes for all; the first of another machine, before Lightning counts it, is told apart."""
    return rank_zero_only.rank == 0 and os.environ.get("NODE_RANK", "0") == "0"


def _short_name(class_path: str) -> str:
    return class_path.rpartition(".")[2].lower()


def _device_type(accelerator: str) -> str:
    if accelerator != "auto":
        return {"gpu": "cuda"}.get(accelerator, accelerator)
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
