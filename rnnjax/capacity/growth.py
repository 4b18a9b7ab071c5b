"""How the bits that a network stores grow with its parameters. Needs no JAX."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from rnnjax.results.statistics import CONFIDENCE, Mean

MIN_BUDGETS = 3


class Growth(NamedTuple):
    """Two least-squares lines through the bits of one series.

    `slope` are the bits that a further parameter stores: bits = intercept + slope x
    parameters. `exponent` is that of a power law, bits ~ parameters^exponent, from the
    line through the logarithms: 1 if bits are proportional to parameters, more if each
    parameter stores more in a larger network. Both have Student's 95 % interval.
    """

    budgets: int
    intercept: float
    slope: Mean
    exponent: Mean


def growth(parameters: Sequence[int], bits: Sequence[float]) -> Growth | None:
    """The growth of bits with parameters; each entry is one search.

    A search is one point of the fit, the mean of its fresh draws, since its draws share
    what it chose. The intervals therefore cover the searches, and how far the points
    are from a line. None if there are fewer than `MIN_BUDGETS` numbers of parameters,
    or a search that stored nothing.
    """
    budgets = len(set(parameters))
    if budgets < MIN_BUDGETS or min(bits) <= 0:
        return None
    x, y = np.asarray(parameters, float), np.asarray(bits, float)
    intercept, slope = fit(x, y)
    return Growth(budgets, intercept, slope, fit(np.log(x), np.log(y))[1])


def fit(x: np.ndarray, y: np.ndarray) -> tuple[float, Mean]:
    """The least-squares line through points: its intercept, and its slope.

    The slope has its standard error as `sd`, and Student's interval with n - 2 degrees
    of freedom.
    """
    line = stats.linregress(x, y)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(x) - 2) * line.stderr)
    slope, error = float(line.slope), float(line.stderr)
    return float(line.intercept), Mean(len(x), slope, error, slope - half, slope + half)


def shape(exponent: Mean) -> str:
    """What an exponent says of the growth, in words."""
    assert exponent.low is not None and exponent.high is not None
    if exponent.low > 1:
        return "faster than in proportion"
    return "slower than in proportion" if exponent.high < 1 else "about in proportion"


def sentence(found: Growth) -> str:
    """As "4.10 (3.50 to 4.70) bits a further parameter; exponent 1.20 (...)"."""
    slope, exponent = (
        f"{mean.mean:.2f} ({mean.low:.2f} to {mean.high:.2f})" for mean in found[2:]
    )
    return f"{slope} bits a further parameter; exponent {exponent}"
