"""Pages that show what a run has learned, and how runs compare."""

from digits.reporting.comparison import compare_runs
from digits.reporting.report import write_report
from digits.reporting.run import Run, find_run, read_run

__all__ = ["Run", "compare_runs", "find_run", "read_run", "write_report"]
