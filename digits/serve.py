"""The verb ``serve``: reading over HTTP, and a page to draw on."""

from __future__ import annotations

from pathlib import Path

from digits.errors import UserError
from digits.heavy_imports import heavy_imports
from digits.trust import add_trust_option, trust
from digits.verb_parser import VerbParser

_DESCRIPTION = """\
Serve a page that reads what is drawn or dropped on it, and POST /v1/recognize. Whoever can reach the address may use
it; the default is this machine alone."""


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
    with heavy_imports():  # not for --help
        try:
            from digits.serving import run
        except ModuleNotFoundError as error:
            raise UserError(f"serving needs {error.name}, an extra: pip install 'digits[serve]'") from None
    trust(options.trust)
    run(options.checkpoint, options.host, options.port, options.workers, options.allowed_host)
