"""The HTTP service and its page."""

from digits.serving.server import run

__all__ = ["run"]
