"""Performance profiles of optimizers: who solves how much, within what factor."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.optimization import summary
from rnnjax.optimization.schema import FAIR, METHOD
from rnnjax.report import pools
from rnnjax.report.runs import Run
from rnnjax.results import bootstrap

FACTORS = np.geomspace(1, 64, 97)
PROBLEM = tuple(key for key in METHOD if key != "optimizer")


class Profile(NamedTuple):
    """The fraction of problems that each optimizer solves within each factor.

    A problem is a task, network and seed; its time are the samples whose gradients were
    computed until it was solved, at the best trial of that seed.
    """

    fractions: dict[str, np.ndarray]
    problems: int
    seeds: int


def profile(runs: Sequence[Run]) -> Profile | None:
    """Of the runs with most optimizers; None if there are not two of them."""
    found = [_profile(pool.rows) for pool in pools.alike(runs, "optimization")]
    known = [one for one in found if one is not None]
    return max(known, key=lambda one: (len(one.fractions), one.problems), default=None)


def _profile(rows: Sequence[dict]) -> Profile | None:
    """Problems that an optimizer was not tried on count for none."""
    times: dict[str, dict[tuple, float]] = {}
    rows = [row for row in rows if row["protocol"] == FAIR]
    for _, lanes in summary.methods(rows):
        for row in summary.chosen(lanes) or summary.default(lanes):
            problem = (*(row[key] for key in PROBLEM), row["seed"])
            times.setdefault(row["optimizer"], {})[problem] = summary.samples(row)
    if len(times) < 2:
        return None
    shared = sorted(set.intersection(*map(set, times.values())), key=str)
    if not shared:
        return None
    table = [[some[problem] for problem in shared] for some in times.values()]
    fractions = bootstrap.performance_profile(table, FACTORS)
    seeds = len({problem[-1] for problem in shared})
    return Profile(dict(zip(times, fractions)), len(shared), seeds)
