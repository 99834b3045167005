"""Search spaces: which keys of a recipe a sweep varies, and how."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from digits.errors import UserError, did_you_mean
from digits.yaml_files import parse_yaml

_FIELDS = ("choices", "low", "high", "step", "log", "when")


@dataclass(frozen=True)
class Parameter:
    """One key of the configuration and the values that it may take.

    ``values`` maps what Optuna knows of a choice to the choice itself, which may be a list. ``when`` maps keys that
    stand earlier in the space to those of their values with which this parameter has a meaning.
    """

    key: str
    distribution: BaseDistribution
    values: dict[Any, Any] = field(default_factory=dict)
    when: dict[str, list[Any]] = field(default_factory=dict)

    def is_active(self, chosen: dict[str, Any]) -> bool:
        return all(key in chosen and chosen[key] in values for key, values in self.when.items())

    def value(self, known: Any) -> Any:
        """The configuration's value for Optuna's."""
        return self.values.get(known, known)

    @property
    def points(self) -> list[Any]:
        """Every value, as Optuna knows it; raises UserError for a range without steps."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return list(distribution.choices)
        if isinstance(distribution, IntDistribution) and not distribution.log:
            return list(range(distribution.low, distribution.high + 1, distribution.step))
        if isinstance(distribution, FloatDistribution) and distribution.step is not None:
            count = round((distribution.high - distribution.low) / distribution.step) + 1
            return [distribution.low + position * distribution.step for position in range(count)]
        raise UserError(f"{self.key}: a grid needs choices, or a range with a step that is not logarithmic")

    @property
    def ends(self) -> list[Any]:
        """The values to check a configuration with: every choice, or both ends of a range."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return list(distribution.choices)
        assert isinstance(distribution, IntDistribution | FloatDistribution)
        return [distribution.low, distribution.high]


def read_space(path: Path) -> list[Parameter]:
    """Read a YAML that maps keys to ``choices``, or ``low`` and ``high`` with ``log`` or ``step``, each with ``when``.

    Whole numbers at both ends make whole values. Raises UserError naming what is wrong.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"the search space {path} does not exist; shipped: cnn, kaggle-grid, mlp") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"the search space {path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path} is not a search space: it must map keys of the configuration to what they may be")
    space: list[Parameter] = []
    for key, entry in content.items():
        try:
            space.append(_parameter(str(key), entry, [parameter.key for parameter in space]))
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}: {key}: {error}") from None
    return space


def _parameter(key: str, entry: Any, earlier: list[str]) -> Parameter:
    if not isinstance(entry, dict):
        raise ValueError("give choices: […], or low: and high:")
    for name in entry:
        if name not in _FIELDS:
            raise ValueError(f"unknown field {name!r}; {did_you_mean(str(name), _FIELDS)}")
    when = {name: value if isinstance(value, list) else [value] for name, value in entry.get("when", {}).items()}
    for name in when:
        if name not in earlier:
            raise ValueError(f"when: {name!r} does not stand before it; {did_you_mean(name, earlier or ['nothing'])}")
    if "choices" in entry:
        if set(entry) - {"choices", "when"} or not isinstance(entry["choices"], list) or not entry["choices"]:
            raise ValueError("choices is a list of at least one value, and stands without low, high, log and step")
        values = {_encode(choice): choice for choice in entry["choices"]}
        return Parameter(key, CategoricalDistribution(list(values)), values, when)
    if not {"low", "high"} <= set(entry):
        raise ValueError("give choices: […], or low: and high:")
    low, high, log, step = entry["low"], entry["high"], entry.get("log", False), entry.get("step")
    if isinstance(low, int) and isinstance(high, int) and isinstance(step, int | None):
        return Parameter(key, IntDistribution(low, high, log=log, step=step or 1), when=when)
    return Parameter(key, FloatDistribution(float(low), float(high), log=log, step=step), when=when)


def _encode(choice: Any) -> Any:
    """A choice as Optuna keeps it, which knows no lists."""
    return choice if choice is None or isinstance(choice, bool | int | float | str) else json.dumps(choice)


def suggest(trial: Trial, space: list[Parameter]) -> dict[str, Any]:
    """Let the study's sampler choose; the keys that have a meaning together, and their values."""
    chosen: dict[str, Any] = {}
    for parameter in space:
        if parameter.is_active(chosen):
            chosen[parameter.key] = parameter.value(_draw(trial, parameter))
    return chosen


def _draw(trial: Trial, parameter: Parameter) -> Any:
    key, distribution = parameter.key, parameter.distribution
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(key, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)


def decode(space: list[Parameter], params: dict[str, Any]) -> dict[str, Any]:
    """The configuration's values for a finished trial's, in the space's order."""
    return {parameter.key: parameter.value(params[parameter.key]) for parameter in space if parameter.key in params}


def grid(space: list[Parameter]) -> Iterator[dict[str, Any]]:
    """Every point of the space, as Optuna knows it; a parameter without a meaning at a point is not in it."""

    def extend(point: dict[str, Any], chosen: dict[str, Any], rest: list[Parameter]) -> Iterator[dict[str, Any]]:
        if not rest:
            yield point
            return
        parameter, *others = rest
        if not parameter.is_active(chosen):
            yield from extend(point, chosen, others)
            return
        for known in parameter.points:
            key = parameter.key
            yield from extend({**point, key: known}, {**chosen, key: parameter.value(known)}, others)

    return extend({}, {}, space)


def samples(space: list[Parameter]) -> Iterator[dict[str, Any]]:
    """Some configurations in which every choice and every end of a range that has a meaning occurs."""
    turns = max(len(parameter.ends) for parameter in space)
    shifts = range(turns) if any(parameter.when for parameter in space) else range(1)
    seen = []
    for shift in shifts:
        for turn in range(turns):
            chosen: dict[str, Any] = {}
            for parameter in space:
                if parameter.is_active(chosen):
                    position = turn + (shift if parameter.when else 0)
                    ends = parameter.ends
                    chosen[parameter.key] = parameter.value(ends[position % len(ends)])
            if chosen not in seen:
                seen.append(chosen)
                yield chosen


def flags(chosen: dict[str, Any]) -> list[str]:
    """The options of ``fit`` that set these values; classes stand before their arguments."""
    arguments = []
    for key, value in sorted(chosen.items(), key=lambda item: not item[0].endswith("class_path")):
        text = value if isinstance(value, str) else json.dumps(value)
        arguments += [f"--{key.removesuffix('.class_path')}", text]
    return arguments
