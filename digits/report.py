"""The verb ``report``: a page that shows what a run has learned, or how several compare."""

from __future__ import annotations

from pathlib import Path

from digits.errors import UserError
from digits.heavy_imports import heavy_imports
from digits.trust import add_trust_option, trust
from digits.verb_parser import VerbParser

_DESCRIPTION = """\
Write RUN/report/index.html, a page that needs no other file, and each of its pictures as a PNG beside it. Several runs
are put side by side in OUTPUT/index.html."""


def main(arguments: list[str]) -> None:
    """Run the verb; ``arguments`` begin with it."""
    parser = VerbParser("report", _DESCRIPTION)
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="a run's folder, or an experiment's, which means its newest run",
    )
    parser.add_argument("--output", type=Path, help="for several runs; default: comparison")
    add_trust_option(parser)
    options = parser.parse_args(arguments[1:])
    if options.output and len(options.runs) == 1:
        raise UserError("--output is for the page of several runs; that of one run goes to RUN/report")
    with heavy_imports():  # not for --help
        from digits.reporting import compare_runs, write_report
        from digits.training import Run

    trust(options.trust)
    runs = [Run.finished(path) for path in options.runs]
    if len(runs) == 1:
        with runs[0].lock():  # a run that goes on has other weights than its figures are of
            page = write_report(runs[0])
    else:
        page = compare_runs(runs, options.output or Path("comparison"))
    print(page)  # noqa: T201 - this is what was asked for
