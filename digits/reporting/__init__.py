"""Pages that show what a run has learned, and how runs compare."""

from digits.reporting.comparison import compare_runs
from digits.reporting.report import write_report
from digits.reporting.run import JudgedRun, read_run

__all__ = ["JudgedRun", "compare_runs", "read_run", "write_report"]
