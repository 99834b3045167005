"""Seeds that are functions of a run's seed and a place in the run, so that nothing depends on history.

A draw that is keyed by (seed, epoch, batch) comes out the same whether the run got there in one go or was interrupted
and resumed, which is what makes a resume exact without saving the state of any random generator.
"""

from __future__ import annotations

import os

import numpy as np


def run_seed() -> int:
    """The seed of this run: what ``seed_everything`` was called with (Lightning keeps it in ``PL_GLOBAL_SEED``)."""
    return int(os.environ.get("PL_GLOBAL_SEED", "0"))


def derive_seed(*key: int) -> int:
    """A 63-bit seed that is a hash of the non-negative integers in ``key``; different keys give unrelated seeds."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
