"""What the processes of one service must agree on, handed down in the environment."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

_VARIABLE = "DIGITS_SERVE"


@dataclass(frozen=True)
class Settings:
    """How a service was started.

    Args:
        checkpoint: The file whose network reads; None for the one that comes with the package.
        readers: How many pictures are read at the same time, each in a process of its own.
        host: Where it listens, by which it may be addressed too.
        allowed_hosts: Other names under which it may be addressed, and of which its own pages may be.

    """

    checkpoint: str | None
    readers: int
    host: str
    allowed_hosts: tuple[str, ...]

    def publish(self) -> None:
        """Let the processes that are started from now on know."""
        os.environ[_VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def current(cls) -> Settings:
        """Those that the process which started this one has published."""
        values = json.loads(os.environ[_VARIABLE])
        return cls(**values | {"allowed_hosts": tuple(values["allowed_hosts"])})
