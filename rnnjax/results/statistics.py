"""Intervals and censored times."""

import dataclasses

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Mean:
    """A mean with its standard deviation and Student's 95 % interval; both None below two values."""

    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None


def mean(values) -> Mean:
    """The mean of numbers, None left out."""
    x = np.asarray([v for v in values if v is not None], np.float64)
    if len(x) < 2:
        return Mean(len(x), float(x[0]) if len(x) else None, None, None, None)
    sd = float(x.std(ddof=1))
    half = float(stats.t.ppf(0.975, len(x) - 1)) * sd / len(x) ** 0.5
    center = float(x.mean())
    return Mean(len(x), center, sd, center - half, center + half)


@dataclasses.dataclass(frozen=True)
class Times:
    """Times of which some are only known to be at least `horizon` (type I censoring).

    `share` of the lanes have a time. `median` is None where half or more have none. `restricted` is the mean of
    min(time, horizon) with its interval, which ends at 0 and at the horizon: where nothing is censored it is the mean, elsewhere
    a lower bound of it.
    """

    n: int
    share: float | None
    median: float | None
    restricted: Mean


def censored(times, horizon: int) -> Times:
    """Summary of `times`, None where the horizon came first."""
    known = [t for t in times if t is not None]
    if not len(times):
        return Times(0, None, None, mean([]))
    median = float(np.median([np.inf if t is None else t for t in times]))
    restricted = mean([horizon if t is None else t for t in times])
    if restricted.low is not None:
        restricted = dataclasses.replace(restricted, low=max(0.0, restricted.low), high=min(float(horizon), restricted.high))
    return Times(len(times), len(known) / len(times), median if np.isfinite(median) else None, restricted)


def share(count: int, of: int) -> Mean:
    """The share `count / of` with Wilson's 95 % interval; its `sd` is that of a single one."""
    p = count / of
    interval = stats.binomtest(count, of).proportion_ci(method="wilson")
    return Mean(of, p, (p * (1 - p)) ** 0.5, min(float(interval.low), p), max(float(interval.high), p))
