"""The training verbs: LightningCLI, wired to this package's model, data and run folders."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from digits.classes import TEN_DIGITS, describe_classes
from digits.cli.output import keep_to_the_point, say
from digits.cli.settings import NEEDS_WEIGHTS, SettingsCLI
from digits.data import DigitsDataModule
from digits.errors import UserError, find_disk_error
from digits.models import DigitClassifier, check_weights, explained
from digits.reporting import write_report
from digits.training import (
    AtomicCheckpointIO,
    ProgressBar,
    Run,
    Trainer,
    as_list,
    callbacks_of_run,
    callbacks_of_trial,
    conclude,
    context,
    describe,
    evaluate,
    first_new_step,
    in_one_line,
    keep_freed_memory,
    keep_predictions,
    loggers_of_run,
    name_of,
    open_checkpoint,
    plain,
    refusal,
    why_stopped,
    write_json,
)


def main(arguments: list[str]) -> None:
    """Run ``fit``, ``validate``, ``test`` or ``predict``; ``arguments`` begin with the verb."""
    run_verb(arguments)


def run_verb(arguments: list[str]) -> Run | None:
    """Run a training verb, from the command line or from Python, and return its run, if it has one.

    Raises UserError and Interrupted. What it changes in the process, to print only what concerns the run, is put back.
    """
    keep_freed_memory()
    try:
        with keep_to_the_point(), ExitStack() as held:
            cli = DigitsCLI(arguments, held)
            cli.execute()
            return cli.run
    except ValueError as error:  # which is what jsonargparse makes of a UserError from a model's constructor
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        raise
    except SystemExit as stop:  # which is how Lightning answers Ctrl-C outside training
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


class DigitsCLI(SettingsCLI):
    """``fit``, ``validate``, ``test`` and ``predict``: made, it has parsed and built; ``execute`` runs the verb.

    Args:
        arguments: The command line, from the verb on.
        held: Keeps the lock on the run that is trained; when it is left, a run without a checkpoint is removed.

    """

    def __init__(self, arguments: list[str], held: ExitStack) -> None:
        self._held = held
        super().__init__(arguments)

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:  # which is what jsonargparse makes of a logger whose package is missing
            cause = error.__cause__
            while isinstance(cause, ValueError):  # one around another
                cause = cause.__cause__
            told = in_one_line(cause)
            if told is not None:
                raise UserError(told) from None
            raise
        if self.resumed is not None and self.checkpoint is not None:
            if isinstance(self.model, DigitClassifier):
                self.model.check_classes(self.resumed.get("hyper_parameters", {}))
            with explained(self.checkpoint):
                check_weights(self.model, self.resumed["state_dict"])

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        settings = self.config_init.trainer
        if self.verb != "fit":
            self.save_config_callback = None
            bar: list[Callback] = [ProgressBar()] if settings.enable_progress_bar is not False else []
            kwargs |= {"logger": False, "callbacks": bar}
            kwargs |= {"enable_model_summary": False, "enable_checkpointing": False}
        elif settings.fast_dev_run:
            kwargs["callbacks"] = callbacks_of_trial(settings)
        else:
            self.run = self._open_run()
            every = self.config.checkpoint_every_n_steps
            kwargs["callbacks"] = callbacks_of_run(settings, self.run, every, self.changed)
            step = None if self.resumed is None else first_new_step(self.resumed)
            kwargs["logger"] = loggers_of_run(settings, self.run, step)
        kwargs["plugins"] = [*as_list(settings.plugins), AtomicCheckpointIO()]
        try:
            return super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ValueError) as error:
            raise UserError(f"{' '.join(str(error).split())} (see --trainer.* in `fit --help`)") from None
        except (ModuleNotFoundError, RuntimeError) as error:
            told = in_one_line(error)
            if told is not None:
                raise UserError(told) from None
            raise

    def _open_run(self) -> Run:
        """The run that is resumed or a new one, locked."""
        runs_dir, experiment = Path(self.config.runs_dir), self.config.experiment
        if rank_zero_only.rank != 0 or os.environ.get("NODE_RANK", "0") != "0":
            return Run(runs_dir / experiment / "elsewhere")  # only the first process of the first machine writes
        if self.run is None:
            self.run = Run.claim(runs_dir, experiment)
            self._held.callback(self.run.discard_if_empty)
        self._held.enter_context(self.run.lock())
        if self.checkpoint is not None and self.checkpoint.stat().st_mtime_ns != self.read_ns:
            raise UserError(f"{self.checkpoint} has been written anew meanwhile; start again")
        return self.run

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
        self._load_weights()
        if isinstance(self.model, DigitClassifier) and self.model.class_names != TEN_DIGITS:
            say(describe_classes(self.model.class_names))
        try:
            self.trainer.fit(self.model, datamodule=self.datamodule, ckpt_path=self.config.ckpt_path)
        except UserError:
            raise
        except Exception as error:
            # TensorBoard writes too, and wraps what the disk says in errors of its own.
            refused = find_disk_error(error)
            if refused is not None:
                raise refusal(Path(refused.filename or (self.run.folder if self.run else ".")), refused) from None
            told = in_one_line(error)
            if told is not None:
                raise UserError(told) from None
            raise
        if self.trainer.global_step == 0:
            raise UserError("no step was trained; trainer.max_epochs, max_steps and limit_train_batches must leave one")
        self._conclude()

    def _conclude(self) -> None:
        if self.trainer.fast_dev_run:
            return
        early = why_stopped(self.trainer)
        figures = conclude(self.trainer, self.model, self.datamodule, plain(self.parser, self.config))
        if self.trainer.is_global_zero:
            if early is not None:
                say(early)
            speed = f"trained in {figures['seconds']:.1f} s"
            if "images_per_second" in figures:
                speed += f", {figures['images_per_second']:,} images/s"
            assert self.run is not None
            say(f"{describe(figures, self.datamodule)} · {speed} · {self.run.folder}")
            if self.config.report and not isinstance(self.datamodule, DigitsDataModule):
                say("no report: the images are known of the digits' own data module alone, not of another")
            elif self.config.report and not isinstance(self.model, DigitClassifier):
                say("no report: it shows the answers of a DigitClassifier, and this model is none")
            elif self.config.report:
                say(f"{write_report(self.run, self.datamodule)}")

    def _need_weights(self) -> None:
        if self.checkpoint is None and self.config.init_from is None and not getattr(self.model, "is_trained", False):
            raise UserError(f"{self.verb} needs {NEEDS_WEIGHTS}")
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
        say(f"{describe(figures, self.datamodule)} · {self.checkpoint or self.named or type(self.model).__name__}")

    def predict(self) -> None:
        if not isinstance(self.model, DigitClassifier):
            raise UserError("predict writes the answers of a DigitClassifier; with this model use Trainer.predict")
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
        predictions = self.model.predictions
        assert predictions is not None
        written = keep_predictions(self.run or Run(Path()), predictions, self.datamodule)
        say(f"{len(predictions.indices):,} predictions · {' · '.join(map(str, written))}")
