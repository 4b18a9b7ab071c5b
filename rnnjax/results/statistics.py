"""Means with intervals, censored times, and fractions."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Mean:
    """A mean with its standard deviation and Student's 95 % interval.

    The last three are None if there are fewer than two values, the mean if there is
    none.
    """

    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None


def mean(values: Iterable[float | None]) -> Mean:
    """The mean of the values that are not None."""
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

    `fraction` of the `n` lanes have a time. `median` is None if half or more have none.
    `restricted` is the mean of min(time, horizon) with its interval, cut off at 0 and
    at the horizon. It is the mean if no time is censored, and a lower bound of it
    otherwise.
    """

    n: int
    fraction: float | None
    median: float | None
    restricted: Mean


def censored(times: Sequence[float | None], horizon: int) -> Times:
    """Summary of `times`, which are None if they exceed the horizon."""
    known = [t for t in times if t is not None]
    if not len(times):
        return Times(0, None, None, mean([]))
    median = float(np.median([np.inf if t is None else t for t in times]))
    restricted = mean([horizon if t is None else t for t in times])
    if restricted.low is not None and restricted.high is not None:
        low, high = max(0.0, restricted.low), min(float(horizon), restricted.high)
        restricted = dataclasses.replace(restricted, low=low, high=high)
    fraction = len(known) / len(times)
    finite = median if np.isfinite(median) else None
    return Times(len(times), fraction, finite, restricted)


def fraction(count: int, of: int) -> Mean:
    """The fraction `count / of` with Wilson's 95 % interval.

    Its `sd` is that of one trial, sqrt(p (1 - p)).
    """
    p = count / of
    interval = stats.binomtest(count, of).proportion_ci(method="wilson")
    low, high = min(float(interval.low), p), max(float(interval.high), p)
    return Mean(of, p, (p * (1 - p)) ** 0.5, low, high)
