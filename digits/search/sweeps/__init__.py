"""Searches for better settings of a recipe, with Optuna, which is an extra."""

from digits.search.sweeps.outcome import accuracy_of, best_trial, write_best, write_plots, write_table
from digits.search.sweeps.space import Parameter, decode, flags, grid, read_space, samples, suggest
from digits.search.sweeps.storage import PRUNERS, SAMPLERS, open_storage, pruner_named, sampler_named, study_in_reach
from digits.search.sweeps.study import FAILED, Turns, counted, identity, number_of, open_study
from digits.search.sweeps.trial_report import ReportToTrial
from digits.search.sweeps.trials import Sweep, work

__all__ = [
    "FAILED",
    "PRUNERS",
    "SAMPLERS",
    "Parameter",
    "ReportToTrial",
    "Sweep",
    "Turns",
    "accuracy_of",
    "best_trial",
    "counted",
    "decode",
    "flags",
    "grid",
    "identity",
    "number_of",
    "open_storage",
    "open_study",
    "pruner_named",
    "read_space",
    "sampler_named",
    "samples",
    "study_in_reach",
    "suggest",
    "work",
    "write_best",
    "write_plots",
    "write_table",
]
