"""What the verb ``fit`` does, from Python."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from digits.cli.fit import run_verb
from digits.errors import UserError
from digits.training import Run, flatten


def fit(config: Mapping[str, Any] | str | Path, **overrides: Any) -> Run:
    """Train, test the best checkpoint and return the run.

    Args:
        config: Settings as a YAML file holds them, the path of such a file, or the name of a shipped recipe.
        overrides: Settings that win over it, nested or with dotted keys: ``trainer={"max_epochs": 1}``,
            ``**{"trainer.max_epochs": 1}``. With ``ckpt_path="last"`` the experiment's newest run goes on.

    Raises UserError where the verb would end with one line, and Interrupted, with everything saved, after Ctrl-C or a
    notebook's stop.

    """
    with ExitStack() as held:
        if isinstance(config, Mapping):
            file = held.enter_context(tempfile.NamedTemporaryFile("w", suffix=".yaml"))
            yaml.safe_dump(json.loads(_json("config", dict(config))), file)
            file.flush()
            overrides = {"experiment": config.get("experiment") or "notebook", **overrides}
            config = file.name
        words = ["fit", "--config", str(config)]
        for key, value in flatten(overrides).items():
            words += [f"--{key}", str(value) if isinstance(value, str | Path) else _json(key, value)]
        run = run_verb(words)
    if run is None:
        raise UserError("trainer.fast_dev_run went through, but leaves no run to return; leave it out")
    return run


def _json(key: str, value: Any) -> str:
    def write(other: Any) -> str:
        if isinstance(other, Path):
            return str(other)
        raise UserError(f"{key}: {other!r} is nothing that a YAML file holds; name a class by its class_path")

    return json.dumps(value, default=write)
