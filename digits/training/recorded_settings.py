"""The configuration that a file brings with it, as far as a file may choose.

Files are data. A checkpoint may describe a training of ours; it may not choose what is imported or called, which other
files are opened, or where anything is written. What the user names in the same command, in a flag or a configuration,
it may name too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from digits.data import is_known_source
from digits.errors import UserError
from digits.models import check_fit, check_hyper_parameters, explained, find_family, is_plain
from digits.training.run import Run
from digits.trust import trusted_class_paths
from digits.yaml_files import read_yaml

_CALLBACKS = """
    DeviceStatsMonitor EarlyStopping EMAWeightAveraging GradientAccumulationScheduler LearningRateMonitor ModelSummary
    RichModelSummary RichProgressBar StochasticWeightAveraging Timer TQDMProgressBar WeightAveraging
"""
"""Those of Lightning that open no files and, given plain values, call nothing."""
_SCHEDULES = "Chain CosineAnnealingLR OneCycle ReduceLROnPlateau"
_DATA = "DigitsDataModule PagesDataModule RandomAffine RandomElastic"
_CLASSES = {
    *(
        f"{home.__name__}.{name}"
        for home in (torch.optim, torch.optim.lr_scheduler)
        for name in home.__all__
        if name[0].isupper()
    ),
    *(f"pytorch_lightning.callbacks.{name}" for name in _CALLBACKS.split()),
    "pytorch_lightning.cli.ReduceLROnPlateau",
    *(f"{home}.{name}" for home in ("digits", "digits.data") for name in _DATA.split()),
    *(f"{home}.{name}" for home in ("digits", "digits.models") for name in _SCHEDULES.split()),
    "digits.search.sweeps.ReportToTrial",
    "digits.training.ProgressBar",
    "digits.training.StopWithParent",
}
_CLASS_OR_FILE = ("model", "data", "trainer", "optimizer", "lr_scheduler", "augmentation", "plugins", "logger")
"""Where a string would be a class's name or a file's."""
_CHOICES = {
    "strategy": r"auto|single_device|ddp\w*|fsdp\w*",
    "profiler": "simple|advanced",
    "accelerator": "auto|cpu|gpu|cuda|mps|tpu",
}
_NOT_THE_FILES = ("config", "ckpt_path", "init_from", "trust", "weights_only")
_OF_FIT_ALONE = ("callbacks", "logger", "profiler", "plugins", "default_root_dir", "model_registry")
_TRANSFORM = re.compile(r"torchvision\.transforms\.(v2\.)?[A-Z]\w*")
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def recorded_settings(
    path: Path, checkpoint: dict[str, Any], verb: str, run: Run | None, runs_dir: str, named: Collection[str]
) -> dict[str, Any]:
    """The configuration in a checkpoint that ``read_checkpoint`` read, for ``verb`` to start from.

    ``named`` is what the user has named, see ``named_by``; ``runs_dir`` is where runs go, unless the checkpoint lies
    in the folder of ``run``. Raises UserError where the file chooses what it may not.
    """
    settings = {key: value for key, value in checkpoint["digits_config"].items() if key not in _NOT_THE_FILES}
    named = {*named, *trusted_class_paths()}
    with explained(path):
        model, trainer = settings["model"], settings.get("trainer") or {}
        arguments = model.get("init_args") or {}
        if not isinstance(trainer, dict) or not isinstance(arguments, dict):
            raise UserError("its digits_config is no configuration")
        if verb != "fit":
            trainer = {key: value for key, value in trainer.items() if key not in _OF_FIT_ALONE}
        if model.get("class_path") not in named:
            family = find_family(model.get("class_path"))
            of_network = {key: arguments[key] for key in arguments if not key.startswith(("optimizer", "lr_scheduler"))}
            check_fit(model["class_path"], checkpoint.get("hyper_parameters"), checkpoint["state_dict"])
            # The names of classes come from the data, and from the checkpoint itself where these have none.
            of_file = {key: value for key, value in checkpoint["hyper_parameters"].items() if key != "class_names"}
            arguments = arguments | of_file
            check_hyper_parameters(family, of_network | checkpoint["hyper_parameters"])
        is_home = run is not None and Path(str(settings.get("runs_dir"))).resolve() == run.folder.parent.parent
        runs_dir = settings["runs_dir"] if is_home else runs_dir
        settings |= {"model": model | {"init_args": arguments}, "trainer": trainer, "runs_dir": runs_dir}
        check_settings(settings, named)
    return settings


def check_settings(settings: object, named: Collection[str] = ()) -> None:
    """Raise UserError where settings from a file name a class, a function or a file that they may not."""
    if not is_plain(settings):
        raise UserError("its settings are no plain values")
    unknown: list[str] = []
    for keys, value in _values("", settings):
        if isinstance(value, str) and _is_unknown_name(keys, value):
            if value not in named and value not in unknown:
                unknown.append(value)
        elif not _may_choose(keys, value, named):
            shown = f"{value!r:.80}" if isinstance(value, str) else f"{value!r}"[:80]
            raise UserError(f"its settings have {keys}: {shown}, which a file may not choose; give it in this command")
    if unknown:
        names = ascii(",".join(unknown))[1:-1]
        raise UserError(f"it names {names}, which we do not know; if you trust it, add --trust {names}")


def _values(keys: str, value: object) -> Iterator[tuple[str, Any]]:
    """Every value, the mappings too, with its dotted keys."""
    yield keys, value
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _values(f"{keys}.{key}" if keys else key, member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _values(keys, member)


def _is_unknown_name(keys: str, value: str) -> bool:
    """Whether this is a class, or in the place of one a function, that is not among those that files may name."""
    key = keys.rpartition(".")[2]
    if keys in ("data.data_dir", "data.init_args.data_dir", "runs_dir", "experiment"):
        return False
    if key in ("source", "offline_source") and is_known_source(value):
        return False
    is_name = key == "class_path" or _NAME.fullmatch(value) is not None
    return is_name and value not in _CLASSES and not _TRANSFORM.fullmatch(value) and not _is_model(keys, value)


def _may_choose(keys: str, value: object, named: Collection[str]) -> bool:
    """Whether a file may set this; names of classes aside."""
    key = keys.rpartition(".")[2]
    if value is None or (isinstance(value, str) and value in named):
        return True
    if key in ("default_root_dir", "model_registry", "plugins", "logger"):
        return (key == "logger" and isinstance(value, bool)) or _are_named(value, named)
    if (
        not isinstance(value, str)
        or key == "class_path"
        or keys in ("data.data_dir", "data.init_args.data_dir", "runs_dir")
    ):
        return True
    if keys == "experiment":
        return value.isprintable() and not Path(value).is_absolute() and ".." not in Path(value).parts
    if key in _CHOICES:
        return re.fullmatch(_CHOICES[key], value) is not None
    return key not in _CLASS_OR_FILE and keys != "trainer.callbacks" and not _is_file(value)


def _are_named(value: object, named: Collection[str]) -> bool:
    return isinstance(value, list | dict) and all(
        text in named for keys, text in _values("", value) if keys.endswith("class_path")
    )


def _is_model(keys: str, class_path: object) -> bool:
    if not keys.startswith("model.") or "optimizer" in keys or "lr_scheduler" in keys:
        return False
    try:
        find_family(class_path)
    except UserError:
        return False
    return True


def _is_file(value: str) -> bool:
    try:
        return Path(value).exists()
    except (OSError, ValueError):
        return False


def named_by(arguments: list[str], configs: Sequence[Any] | None) -> set[str]:
    """What the user names, classes above all: in options of the model, the trainer and the data, or in YAML files."""
    texts: list[Any] = [read_yaml(Path(str(config))) for config in configs or [] if config is not None]
    for option, following in zip(arguments, [*arguments[1:], ""], strict=True):
        key, equals, value = option.partition("=")
        if key in ("--config", "-c") and "\n" in value + following:
            texts.append(_parse(value or following))
        if key.startswith(("--model", "--trainer", "--data")) and not key.endswith("_dir"):
            texts.append(_parse(value if equals and not key.endswith("+") else value or following))
    return {text for given in texts for _, text in _values("", given) if isinstance(text, str)}


def _parse(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
