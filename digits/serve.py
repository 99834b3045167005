"""The verb ``serve``: reading over HTTP, and a page to draw on."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from digits.errors import UserError
from digits.heavy_imports import heavy_imports
from digits.trust import add_trust_option, trust
from digits.verb_parser import VerbParser

_DESCRIPTION = """\
Serve a page that reads what is drawn or dropped on it, and POST /v1/recognize. Whoever can reach the address may use
it; the default is this machine alone."""
_EXTRA = ("uvicorn", "fastapi", "prometheus_client", "python_multipart", "swagger_ui_bundle")


def main(arguments: list[str]) -> None:
    """Run the verb; ``arguments`` begin with it."""
    parser = VerbParser("serve", _DESCRIPTION)
    parser.add_argument(
        "--checkpoint", type=Path, help="of fit, or an export's .onnx; default: the network that comes along"
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0 for any that is free")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that receive and answer; others read, one for each core; default: 1",
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which browsers reach the service, besides addresses, localhost and --host; may be repeated",
    )
    add_trust_option(parser)
    options = parser.parse_args(arguments[1:])
    if options.workers < 1:
        raise UserError(f"--workers is {options.workers}; it must be at least 1")
    if not 0 <= options.port < 65536:
        raise UserError(f"--port is {options.port}; it must be 0 to 65535")
    # Not by importing them: prometheus_client decides while it is imported whether there are several processes.
    missing = next((name for name in _EXTRA if find_spec(name) is None), None)
    if missing is not None:
        raise UserError(f"serving needs {missing}, an extra: pip install 'digits[serve]'")
    with heavy_imports():  # not for --help
        from digits.serving import run
    trust(options.trust)
    run(options.checkpoint, options.host, options.port, options.workers, options.allowed_host)
