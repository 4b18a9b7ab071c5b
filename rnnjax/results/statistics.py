"""Means, medians of skewed and censored values, and fractions, with intervals."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
REALS, NONNEGATIVE, FRACTIONS = (-np.inf, np.inf), (0.0, np.inf), (0.0, 1.0)


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


def mean(values: Iterable[float | None], support: tuple[float, float] = REALS) -> Mean:
    """The mean of the values that are not None.

    No value lies outside of the `support`, so the interval ends where that does.
    Student's interval covers 95 % if the values are about normal, as accuracies, losses
    in nats, bits and slopes are over seeds. Times and exponents are not: see `median`.
    """
    x = np.asarray([v for v in values if v is not None], np.float64)
    if len(x) < 2:
        return Mean(len(x), float(x[0]) if len(x) else None, None, None, None)
    sd = float(x.std(ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(x) - 1)) * sd / len(x) ** 0.5
    center = float(x.mean())
    low, high = max(center - half, support[0]), min(center + half, support[1])
    return Mean(len(x), center, sd, low, high)


@dataclasses.dataclass(frozen=True)
class Median:
    """A median with a 95 % interval that assumes nothing about the distribution.

    Values, median and limits may be infinite: a time that is not known to be finite is
    inf, the exponent of a dead lane -inf. If half of the values or more are infinite,
    so is the median, and the interval has one end. `low` and `high` are None if there
    are fewer than `MIN_VALUES` values, since then no interval covers 93 %.
    """

    n: int
    median: float | None
    low: float | None
    high: float | None


MIN_VALUES = 5  # of an interval of a median: the range of 5 values covers 93.75 %


def median(values: Iterable[float], resolution: float = 0.0) -> Median:
    """The median of values that may be infinite, and its interval.

    Of n sorted values, the k-th smallest and the k-th largest enclose the median of the
    distribution with probability 1 - 2 P(B < k), B ~ Binomial(n, 1/2). The limits lie
    between those of the two k next to 95 %, by the interpolation of Hettmansperger and
    Sheather, "Confidence intervals based on interpolated order statistics", 1986. With
    10 values they cover 94 to 95 % for normal, exponential and lognormal ones.

    Args:
      values: the values; none of them is NaN.
      resolution: what values were rounded to, such as 1 for whole steps. Each limit
        lies half of it further out, so equal values do not make an empty interval.
    """
    x = np.sort(np.asarray(list(values), np.float64))
    n = len(x)
    if n == 0:
        return Median(0, None, None, None)
    center = _between(x[(n - 1) // 2], x[n // 2], 0.5)
    if n < MIN_VALUES:
        return Median(n, center, None, None)
    k, weight = _order_statistic(n)
    low = _between(x[k - 1], x[k], weight) - resolution / 2
    high = _between(x[n - k], x[n - k - 1], weight) + resolution / 2
    return Median(n, center, low, high)


@functools.cache
def _order_statistic(n: int) -> tuple[int, float]:
    """k, and the weight of the (k + 1)-th value in the limit of a median of n."""

    def coverage(k: int) -> float:
        return 1 - 2 * float(stats.binom.cdf(k - 1, n, 0.5))

    k = 1
    if coverage(k) <= CONFIDENCE:
        return k, 0.0
    while coverage(k + 1) > CONFIDENCE:
        k += 1
    part = (coverage(k) - CONFIDENCE) / (coverage(k) - coverage(k + 1))
    return k, (n - k) * part / (k + (n - 2 * k) * part)


def _between(outer: float, inner: float, weight: float) -> float:
    """(1 - weight) outer + weight inner, of which either may be infinite."""
    if outer == inner or weight == 0:
        return float(outer)
    return float((1 - weight) * outer + weight * inner)


@dataclasses.dataclass(frozen=True)
class Times:
    """Times of which some are only known to be beyond a horizon (type I censoring).

    `fraction` of the `n` lanes have a time, with Wilson's interval. The `median` and
    the limits of its interval are inf where they are beyond the horizon.
    """

    n: int
    fraction: Mean
    median: Median


def censored(times: Sequence[float | None], resolution: float = 1.0) -> Times:
    """Summary of `times`, which are None if they exceed the horizon."""
    known = [np.inf if t is None else t for t in times]
    count = int(np.isfinite(known).sum())
    part = fraction(count, len(times)) if times else mean([])
    middle = median(known, resolution)
    if middle.low is not None:  # no time is negative
        middle = dataclasses.replace(middle, low=max(0.0, middle.low))
    return Times(len(times), part, middle)


def fraction(count: int, of: int) -> Mean:
    """The fraction `count / of` with Wilson's 95 % interval.

    Its `sd` is that of one trial, sqrt(p (1 - p)).
    """
    p = count / of
    interval = stats.binomtest(count, of).proportion_ci(method="wilson")
    low, high = min(float(interval.low), p), max(float(interval.high), p)
    return Mean(of, p, (p * (1 - p)) ** 0.5, low, high)
