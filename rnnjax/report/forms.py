"""The forms of a claim: what its interval and its tests have to show.

The smallest effect of interest, d, is fixed with the claim. An interval decides, and a
p-value, which is adjusted for all claims of a family:

    Direction   supported     95 % interval beyond d on the claimed side
                contradicted  95 % interval short of d: opposite, or too small to matter
    Region      supported     90 % interval inside (two one-sided tests at 5 %)
                contradicted  95 % interval outside

Anything else is undecided. "No effect" is the region from -d to d, a bound a region
with one end, a published value one around it. So an effect that is smaller than d, or
outside of the region, is called supported no more often than the test allows: 2.5 % of
the time, and 5 % of a region. That an effect differs from 0 is not enough.
"""

import dataclasses
import math

from rnnjax.report.effects import Effect
from rnnjax.results.bootstrap import Estimate

LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Tested:
    """What an effect shows by itself: a verdict's interval and p-value, each way.

    The p-values are None if there are too few seeds.
    """

    estimate: Estimate
    holds: bool
    fails: bool
    p_holds: float | None
    p_fails: float | None


@dataclasses.dataclass(frozen=True)
class Direction:
    """The effect is above 0 (`sign` 1) or below (-1), by `smallest` or more."""

    sign: int
    smallest: float

    @property
    def text(self) -> str:
        return f"> {self.smallest:.3g}" if self.sign > 0 else f"< -{self.smallest:.3g}"

    def test(self, effect: Effect) -> Tested:
        found = effect.estimate()
        if found.low is None or found.high is None:
            return Tested(found, False, False, None, None)
        low, high = sorted((self.sign * found.low, self.sign * found.high))
        p = effect.above(self.sign * self.smallest)
        beyond = p if self.sign > 0 else _other(p)
        return Tested(
            found,
            holds=low > self.smallest,
            fails=high < self.smallest,
            p_holds=_both_sides(beyond),
            p_fails=_both_sides(_other(beyond)),
        )


@dataclasses.dataclass(frozen=True)
class Region:
    """The effect lies from `low` to `high`, either of which may be infinite."""

    low: float = -math.inf
    high: float = math.inf
    smallest: float = 0.0  # of a region around 0: how far it reaches

    @property
    def text(self) -> str:
        if math.isinf(self.low):
            return f"at most {self.high:.3g}"
        if math.isinf(self.high):
            return f"at least {self.low:.3g}"
        if self.low == -self.high:
            return f"within ±{self.high:.3g}"
        return f"from {self.low:.3g} to {self.high:.3g}"

    def test(self, effect: Effect) -> Tested:
        found, inner = effect.estimate(), effect.estimate(1 - 2 * LEVEL)
        if None in (found.low, found.high, inner.low, inner.high):
            return Tested(found, False, False, None, None)
        assert found.low is not None and found.high is not None
        assert inner.low is not None and inner.high is not None
        above, below = (
            None if math.isinf(limit) else effect.above(limit)
            for limit in (self.low, self.high)
        )
        inside = [p for p in (above, _other(below)) if p is not None]
        outside = [p for p in (_other(above), below) if p is not None]
        return Tested(
            found,
            holds=self.low < inner.low and inner.high < self.high,
            fails=found.high < self.low or found.low > self.high,
            p_holds=max(inside),
            p_fails=_both_sides(min(outside)),
        )


Form = Direction | Region


def none(smallest: float) -> Region:
    """No effect: smaller in size than the smallest one of interest."""
    return Region(-smallest, smallest, smallest)


def at_most(limit: float, tolerance: float) -> Region:
    """A bound, which noise may exceed by less than `tolerance`."""
    return Region(high=limit + tolerance, smallest=tolerance)


def at_least(limit: float, tolerance: float) -> Region:
    return Region(low=limit - tolerance, smallest=tolerance)


def near(value: float, tolerance: float) -> Region:
    """Equal to a published value, but for less than `tolerance`."""
    return Region(value - tolerance, value + tolerance, tolerance)


def _other(p: float | None) -> float | None:
    return None if p is None else 1 - p


def _both_sides(p: float | None) -> float | None:
    return None if p is None else min(1.0, 2 * p)
