"""What the verb ``fit`` does, from Python."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from digits.cli.fit import DigitsCLI
from digits.training import Run, flatten


def fit(config: Mapping[str, Any] | str | Path, **overrides: Any) -> Run:
    """Train, test the best checkpoint and return the run.

    Args:
        config: Settings as a YAML file holds them, the path of such a file, or the name of a shipped recipe.
        overrides: Settings that win over it, nested or with dotted keys: ``trainer={"max_epochs": 1}``,
            ``**{"trainer.max_epochs": 1}``.

    Raises UserError where the verb would end with one line.

    """
    with ExitStack() as held:
        if isinstance(config, Mapping):
            file = held.enter_context(tempfile.NamedTemporaryFile("w", suffix=".yaml"))
            yaml.safe_dump(dict(config), file)
            file.flush()
            overrides = {"experiment": config.get("experiment") or "notebook", **overrides}
            config = file.name
        words = ["fit", "--config", str(config)]
        for key, value in flatten(overrides).items():
            words += [f"--{key}", value if isinstance(value, str) else json.dumps(value)]
        cli = DigitsCLI(words, held)
        cli.execute()
    assert cli.run is not None
    return cli.run
