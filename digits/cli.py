"""The training verbs: LightningCLI, wired to this package's model, data and run folders."""

from __future__ import annotations

import argparse
import logging
import shutil
import threading
import warnings
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt
from pytorch_lightning.callbacks import Callback, ModelSummary
from pytorch_lightning.callbacks import ProgressBar as BaseProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from digits.class_change import hand_on_only_what_was_chosen
from digits.cli_errors import explain, strip_marks
from digits.data import DigitsDataModule
from digits.errors import UserError
from digits.models import DigitClassifier
from digits.onnx_network import OnnxNetwork
from digits.reporting import write_report
from digits.training import (
    AtomicCheckpointIO,
    EpochTable,
    EvaluationPictures,
    LastCheckpoint,
    ProgressBar,
    RunConfig,
    RunCurves,
    SaveLastEpoch,
    SeedEachBatch,
    StopOnSignal,
    Stopwatch,
    TakeUpNewSettings,
    Trainer,
    best_checkpoint,
    claim_run,
    conclude,
    context,
    default_precision,
    describe,
    evaluate,
    find_disk_error,
    flatten,
    keep_freed_memory,
    open_checkpoint,
    plain,
    refusal,
    run_of,
    write_json,
    write_predictions,
    write_submission,
)

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
        DigitsCLI(arguments)
    except UserError as error:
        raise UserError(strip_marks(str(error))) from None
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


class DigitsParser(LightningArgumentParser):
    """Lightning's parser, whose complaints are one line with a remedy."""

    def error(self, message: str, ex: Exception | None = None) -> None:
        raise UserError(explain(str(ex or message), self)) from None


class DigitsCLI(LightningCLI):
    """``fit``, ``validate``, ``test`` and ``predict``."""

    model: DigitClassifier
    datamodule: DigitsDataModule

    def __init__(self, arguments: list[str]) -> None:
        self.verb = arguments[0]
        self.checkpoint: Path | None = None
        self.named: str | None = None
        self.resumed: dict[str, Any] | None = None
        self.run: Path | None = None
        self.changed: list[str] = []
        hand_on_only_what_was_chosen()
        super().__init__(
            DigitClassifier,
            DigitsDataModule,
            subclass_mode_model=True,
            save_config_callback=RunConfig,
            trainer_class=Trainer,
            # Batches are shared out by our own samplers, which repeat no image.
            trainer_defaults={"devices": 1, "num_sanity_val_steps": 0, "use_distributed_sampler": False},
            seed_everything_default=0,
            parser_class=DigitsParser,
            args=self._with_checkpoint(arguments),
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def subcommands(self) -> dict[str, set[str]]:
        """Only the verb in use: building the parsers of the others would delay each start."""
        return {self.verb: LightningCLI.subcommands()[self.verb]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--experiment", type=str | None, help="Name of the experiment; the first configuration's file name."
        )
        parser.add_argument("--runs_dir", type=str, default="runs", help="Where the folders of runs are made.")
        parser.add_argument(
            "--checkpoint_every_n_steps",
            type=PositiveInt | None,
            help="Save last.ckpt within epochs too, after every so many optimizer steps.",
        )
        parser.add_argument(
            "--report",
            type=bool,
            default=True,
            help="fit: end with the page of pictures that the verb `report` writes.",
        )
        parser.add_argument(
            "--init_from",
            type=str | None,
            help="fit: start from the weights of this checkpoint alone.",
        )

    # Configuration

    def _with_checkpoint(self, arguments: list[str]) -> list[str]:
        """Put the configuration of the checkpoint that ``--ckpt_path`` names before all others, so that they win."""
        probe = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        probe.add_argument("--ckpt_path")
        probe.add_argument("--experiment")
        probe.add_argument("--runs_dir", default="runs")
        probe.add_argument("-c", "--config", action="append", default=[])
        known, _ = probe.parse_known_args(arguments[1:])
        for config in known.config:
            if not Path(config).is_file():
                raise UserError(f"the configuration {config} does not exist; the shipped ones are in configs/")
        self.experiment = known.experiment or (_experiment_of(Path(known.config[0])) if known.config else None)
        if known.ckpt_path is None:
            return arguments
        if known.ckpt_path.endswith(".onnx"):
            return self._with_onnx(known.ckpt_path, arguments)
        self.checkpoint, self.resumed = open_checkpoint(known.ckpt_path, Path(known.runs_dir), self.experiment)
        self.run = run_of(self.checkpoint)
        config = yaml.safe_dump(self.resumed["digits_config"])
        return [self.verb, "--config", config, *arguments[1:]]

    def _with_onnx(self, path: str, arguments: list[str]) -> list[str]:
        """Let the network of an ONNX file answer, on the data that it was trained with where no others are named."""
        self.named = path
        about = OnnxNetwork(Path(path)).about
        model = {"model": {"class_path": "digits.models.OnnxModel", "init_args": {"path": path}}}
        data = {"data": about["config"]["data"]}
        return [self.verb, "--config", yaml.safe_dump(data), *arguments[1:], "--config", yaml.safe_dump(model)]

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Lightning would let the checkpoint's hyperparameters override configuration and flags; here these win."""

    def before_instantiate_classes(self) -> None:
        config = self._settings
        config.experiment = config.experiment or self.experiment or _short_name(config.model.class_path)
        config.ckpt_path = self.checkpoint and str(self.checkpoint)
        if config.trainer.precision is None:
            config.trainer.precision = default_precision(_device_type(config.trainer.accelerator))
        if self.resumed is not None and self.verb == "fit":
            former = self.resumed["digits_config"]
            self.changed = self._differences(former)
            config.seed_everything = former["seed_everything"]

    @property
    def _settings(self) -> Namespace:
        return self.config[self.verb]

    def _differences(self, former: dict[str, Any]) -> list[str]:
        """The keys whose values differ from the ``former`` configuration; each is printed."""
        before = flatten(former)
        now = flatten(plain(self._parser(self.verb), self._settings))
        differing = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
        changed = [key for key in differing if key not in ("ckpt_path", "init_from", "seed_everything")]
        for key in changed:
            _say(f"{key}: {before.get(key)} in the checkpoint, now {now.get(key)}")
        if "seed_everything" in differing:
            _say(f"seed_everything stays {before['seed_everything']}, the seed of the run that is resumed")
        return changed

    # Trainer

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        settings = self._get(self.config_init, "trainer")
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
        callbacks: list[Callback] = [*wanted, SeedEachBatch(), EvaluationPictures(), Stopwatch()]
        if settings.enable_progress_bar is not False and not any(isinstance(c, BaseProgressBar) for c in wanted):
            callbacks.append(ProgressBar())
        if self.changed:
            callbacks.append(TakeUpNewSettings(self.changed))
        if settings.fast_dev_run:
            return {"callbacks": callbacks}
        if rank_zero_only.rank == 0:
            self.run = self.run or claim_run(Path(self._settings.runs_dir), self._settings.experiment)
        else:
            self.run = Path(self._settings.runs_dir, self._settings.experiment, "elsewhere")  # only rank 0 writes
        step = None if self.resumed is None else int(self.resumed["global_step"])
        loggers: list[Any] = [] if settings.logger is False else [RunCurves(self.run, step)]
        if settings.logger not in (None, True, False):
            loggers += _as_list(settings.logger)
        folder = self.run / "checkpoints"
        best = best_checkpoint(folder)
        last = LastCheckpoint(folder, self._settings.checkpoint_every_n_steps)
        return {
            "callbacks": [SaveLastEpoch([best, last]), *callbacks, best, last, StopOnSignal(last)],
            "logger": [*loggers, EpochTable(self.run)],
        }

    # Verbs

    def _load_weights(self) -> None:
        if self._settings.init_from is not None and self.resumed is None:
            path, content = open_checkpoint(self._settings.init_from, Path(self._settings.runs_dir), None)
            try:
                self.model.load_state_dict(content["state_dict"])
            except RuntimeError as error:
                reason = " ".join(str(error).split())
                raise UserError(f"the weights in {path} do not fit this model ({reason})") from None

    def fit(self, **kwargs: Any) -> None:
        try:
            self._load_weights()
            self.trainer.fit(**kwargs)
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
                raise
            raise refusal(Path(refused.filename or self.run or "."), refused) from None

    def _discard_empty_run(self) -> None:
        """A run that failed before its first checkpoint leaves no folder behind."""
        if self.resumed is None and self.run is not None and not (self.run / "checkpoints").exists():
            shutil.rmtree(self.run, ignore_errors=True)

    def after_fit(self) -> None:
        if self.trainer.fast_dev_run:
            return
        figures = conclude(self.trainer, self.model, self.datamodule, plain(self._parser(self.verb), self._settings))
        if self.trainer.is_global_zero:
            speed = f"trained in {figures['seconds']:.1f} s, {figures['images_per_second']:,} images/s"
            _say(f"{describe(figures, self.datamodule)} · {speed} · {self.run}")
            if self._settings.report:
                assert self.run is not None
                _say(f"{write_report(self.run, self.datamodule)}")

    def _need_weights(self) -> None:
        if self.checkpoint is None and not self.model.is_trained:
            raise UserError(f"{self.verb} needs trained weights: give --ckpt_path a file, or best or last")

    def validate(self, **_: Any) -> None:
        self._report("val")

    def test(self, **_: Any) -> None:
        self._report("test")

    def _report(self, split: str) -> None:
        self._need_weights()
        figures = evaluate(self.trainer, self.model, self.datamodule, split, self.checkpoint)
        if not self.trainer.is_global_zero:
            return
        for name, value in figures.items():
            print(f"{name:<22} {value}")  # noqa: T201 - this is what was asked for
        if self.run is not None and split == "test":
            path = self.run / f"test-{self.datamodule.digits.source}.json"
            write_json(path, {**figures, "checkpoint": str(self.checkpoint), **context(self.datamodule)})
        _say(f"{describe(figures, self.datamodule)} · {self.checkpoint or self.named or type(self.model).__name__}")

    def predict(self, **_: Any) -> None:
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
        predictions, test = self.model.predictions, self.datamodule.digits.test
        assert predictions is not None
        assert test is not None
        folder = self.run or Path()
        files = {} if test.names is None else {"file": test.names}
        write_predictions(folder / "predictions.csv", predictions, **files)
        written = [folder / "predictions.csv"]
        if self.datamodule.digits.source == "csv":
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


def _experiment_of(config: Path) -> str:
    """A run's config.yaml names its experiment; another configuration is named by its file."""
    try:
        content = yaml.safe_load(config.read_text())
    except yaml.YAMLError as error:
        raise UserError(f"{config} is not valid YAML: {' '.join(str(error).split())}") from None
    named = content.get("experiment") if isinstance(content, dict) else None
    return named or config.stem


def _short_name(class_path: str) -> str:
    return class_path.rpartition(".")[2].lower()


def _device_type(accelerator: str) -> str:
    if accelerator != "auto":
        return {"gpu": "cuda"}.get(accelerator, accelerator)
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
