"""What a claim is about as a number, with intervals and one-sided tests.

Letters of axes, here alone: n seeds, K strata.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from scipy import stats

from rnnjax.results import bootstrap
from rnnjax.results.bootstrap import Estimate
from rnnjax.results.schema import Row


class Effect(Protocol):
    """A number that was measured on `n` seeds (or draws, trainings, shapes)."""

    @property
    def n(self) -> int: ...

    def estimate(self, confidence: float = 0.95) -> Estimate:
        """The value and its interval, whose limits are None if there is none."""

    def above(self, null: float) -> float | None:
        """The one-sided p-value of the hypothesis that the effect is `null` or less.

        Small values say that it is above. 1 minus it tests the other side. None if
        there are too few values.
        """


@dataclasses.dataclass(frozen=True)
class Contrast:
    """A sum of means, sum_k weights[k] mean(strata[k]), each over its own seeds.

    One stratum with weight 1 is a mean over seeds: of paired differences, slopes, or
    restricted times. Two with weights 1 and -1 are a difference of means. The interval
    is that of `bootstrap.mean`. The test is always Student's, with the degrees of
    freedom of Welch: the p-values of resamples are too coarse for many claims at once.
    Where all seeds are alike, the test is that of signs, 2^-n.
    """

    strata: tuple[np.ndarray, ...]
    weights: tuple[float, ...] = (1.0,)
    at_least: bool = False  # the value, as times beyond a run count as its end

    @property
    def n(self) -> int:
        return min(map(len, self.strata))

    @property
    def value(self) -> float:
        means = [w * x.mean() for w, x in zip(self.weights, self.strata, strict=True)]
        return float(sum(means))

    def estimate(self, confidence: float = 0.95) -> Estimate:
        return bootstrap.mean(self.strata, confidence, self.weights)

    def above(self, null: float) -> float | None:
        if self.n < 2:
            return None
        error, freedom = self._error()
        if error == 0:
            p = 0.5 if self.value == null else 0.5**self.n
            return p if self.value >= null else 1 - p
        return float(stats.t.sf((self.value - null) / error, freedom))

    def _error(self) -> tuple[float, float]:
        """The standard error, and the degrees of freedom of Welch and Satterthwaite."""
        sizes = np.array([len(x) for x in self.strata])
        variances = np.square(self.weights) / sizes
        variances = variances * [x.var(ddof=1) for x in self.strata]
        total = variances.sum()
        if total == 0:
            return 0.0, float(self.n - 1)
        freedom = total**2 / (variances**2 / (sizes - 1)).sum()
        return float(total**0.5), float(freedom)


def over_seeds(values: Iterable[float]) -> Contrast | None:
    """The mean of one value a seed; None without values."""
    x = np.asarray(list(values), np.float64)
    return Contrast((x,)) if len(x) else None


def difference(a: Sequence[float], b: Sequence[float]) -> Contrast | None:
    """The difference of the means of two groups that are not paired."""
    if not len(a) or not len(b):
        return None
    return Contrast((np.asarray(a, float), np.asarray(b, float)), (1.0, -1.0))


def paired(
    a: Sequence[Row], b: Sequence[Row], key: str, pair: Sequence[str]
) -> Contrast | None:
    """The mean over seeds of the difference of `key` between two groups of rows.

    Rows are paired by the keys `pair`; of several pairs of a seed the mean is taken.
    Rows without the value, and those without a partner, are left out.
    """
    one, other = (
        {tuple(r.get(k) for k in pair): r for r in rows if r.get(key) is not None}
        for rows in (a, b)
    )
    by_seed: dict[int, list[float]] = {}
    for which in one.keys() & other.keys():
        change = one[which][key] - other[which][key]
        by_seed.setdefault(one[which]["seed"], []).append(change)
    return over_seeds(float(np.mean(by_seed[seed])) for seed in sorted(by_seed))


@dataclasses.dataclass(frozen=True)
class Share:
    """A fraction `count` / `n`, with Wilson's interval and the test that it inverts."""

    count: int
    n: int

    def estimate(self, confidence: float = 0.95) -> Estimate:
        test = stats.binomtest(self.count, self.n)
        found = test.proportion_ci(confidence, method="wilson")
        return Estimate(self.count / self.n, float(found.low), float(found.high))

    def above(self, null: float) -> float | None:
        p = min(max(null, 1e-9), 1 - 1e-9)
        error = (p * (1 - p) / self.n) ** 0.5
        return float(stats.norm.sf((self.count / self.n - null) / error))


@dataclasses.dataclass(frozen=True)
class Line:
    """The slope of a line through `n` points, with Student's interval."""

    n: int
    slope: float
    error: float

    def estimate(self, confidence: float = 0.95) -> Estimate:
        half = self.error * float(stats.t.ppf((1 + confidence) / 2, self.n - 2))
        return Estimate(self.slope, self.slope - half, self.slope + half)

    def above(self, null: float) -> float | None:
        return float(stats.t.sf((self.slope - null) / self.error, self.n - 2))


@dataclasses.dataclass(frozen=True)
class Scale:
    """The mean of `n` squared normal values, with the interval of chi-square.

    It is for z², of which the mean is far from normal: n mean / scale is a draw of
    chi-square with n degrees of freedom.
    """

    n: int
    mean: float

    def estimate(self, confidence: float = 0.95) -> Estimate:
        tails = (1 + confidence) / 2, (1 - confidence) / 2
        low, high = (self.n * self.mean / stats.chi2.ppf(q, self.n) for q in tails)
        return Estimate(self.mean, float(low), float(high))

    def above(self, null: float) -> float | None:
        return float(stats.chi2.sf(self.n * self.mean / null, self.n))
