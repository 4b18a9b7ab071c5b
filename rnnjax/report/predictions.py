"""Merge times that exponents predict, beside those that were measured.

A distance that shrinks at the rate of the largest exponent would fall to the tolerance
at the predicted time (`rnnjax.memory_stability.lyapunov.predicted_time`).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from rnnjax.memory_stability import summary
from rnnjax.report import pools
from rnnjax.report.runs import Run
from rnnjax.results import statistics

TOLERANCE = "1e-4"


class Point(NamedTuple):
    """Medians over the seeds of a shape, with the interval of the measured time."""

    name: str
    seeds: int
    predicted: float
    measured: float
    low: float
    high: float


def points(runs: Sequence[Run]) -> list[Point]:
    """A point for each shape whose median times are finite and known to an interval."""
    first, predicted = f"first_{TOLERANCE}", f"predicted_{TOLERANCE}"
    out = []
    for pool in pools.alike(runs, "memory_stability"):
        rows = [row for row in pool.rows if first in row and predicted in row]
        for _, lanes in summary.shapes(rows):
            time = summary.times(lanes, first).median
            known = [r[predicted] for r in lanes if r[predicted] is not None]
            expected = statistics.median(known).median
            values = [expected, time.median, time.low, time.high]
            finite = [v for v in values if v is not None and math.isfinite(v)]
            if len(finite) == len(values):
                name = summary.title(*summary.series_of(lanes[0]))
                out.append(Point(name, len(lanes), *finite))
    return out
