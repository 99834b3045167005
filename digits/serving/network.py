"""The network of a service, loaded once by importing this module; readers are forked from the process that did it."""

from __future__ import annotations

import signal
import sys

from digits.errors import UserError
from digits.heavy_imports import heavy_imports
from digits.recognition import Recognizer
from digits.serving.settings import Settings


def _load(checkpoint: str | None) -> Recognizer:
    recognizer = Recognizer.from_checkpoint(checkpoint, threads=1) if checkpoint else Recognizer.pretrained()
    torch = sys.modules.get("torch")
    if torch is not None:  # else the network is an .onnx, which has been told
        torch.set_num_threads(1)
    recognizer.check()
    return recognizer


RECOGNIZER: Recognizer | None = None
PROBLEM = ""
"""Why there is no recognizer, for the user."""

# Ctrl-C, and what ends a container, reach all processes; only the service's own decides when these here end.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
try:
    with heavy_imports():  # keeps the collector of garbage from what forked processes share, which it would copy
        RECOGNIZER = _load(Settings.current().checkpoint)
except UserError as error:
    PROBLEM = str(error)
signal.signal(signal.SIGINT, signal.SIG_IGN)
