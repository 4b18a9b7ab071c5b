"""Information processing capacity: which functions of past inputs can be read out.

Targets are products of orthonormal polynomials of delayed inputs, such as

    p_2(u(t)) p_1(u(t - 3))     degree 3, largest delay 3

of Legendre for uniform inputs and of Hermite for normal ones. All of them are
orthogonal, so what a read-out gets of them adds up, over all functions, to at most its
number of columns N; to N if the state is a function of the inputs alone that forgets
old ones, and its columns are independent. Degree 1 is linear memory. Source: Dambre,
Verstraeten, Schrauwen and Massar, "Information processing capacity of dynamical
systems", 2012.

A function counts if what is got of it in sample is above the threshold, and if
something is got in both halves of the held-out steps: products of high degree of normal
inputs have long tails, for which the threshold of chi^2 alone is too low.

A degree is searched delay by delay until `PATIENCE` delays in a row have nothing, and
degrees until two in a row have nothing: a network without biases is odd, so that every
second degree has none.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from rnnjax.short_term_memory import readout
from rnnjax.short_term_memory.readout import Explained, Kept, Readout

PATIENCE = 3  # delays in a row, of one degree, that have nothing
DEGREES_WITHOUT = 2  # in a row
NUMBERS = 2**22  # of the targets in memory at once
MAX_FUNCTIONS = 2 * 10**6  # of one search

# Factors of a function: (delay, degree of the polynomial) pairs.
Function = tuple[tuple[int, int], ...]


def count(degree: int, delay: int) -> int:
    """The functions of degrees 1 to `degree` with delays 0 to `delay`."""
    return math.comb(degree + delay + 1, degree) - 1


def legendre(degree: int, u: np.ndarray) -> np.ndarray:
    """Of variance 1 for u uniform on [-1, 1]: sqrt(2 n + 1) P_n(u)."""
    return math.sqrt(2 * degree + 1) * special.eval_legendre(degree, u)


def hermite(degree: int, u: np.ndarray) -> np.ndarray:
    """Of variance 1 for normal u: He_n(u) / sqrt(n!)."""
    return special.eval_hermitenorm(degree, u) / math.sqrt(math.factorial(degree))


POLYNOMIALS: dict[str, Callable[[int, np.ndarray], np.ndarray]] = {
    "uniform": legendre,
    "normal": hermite,
}


def functions(degree: int, delay: int) -> Iterator[Function]:
    """All functions of one degree whose largest delay is this one.

    Of degree 2 and delay 1: p_1(u(t)) p_1(u(t - 1)), and p_2(u(t - 1)).
    """
    for own in range(1, degree + 1):
        for others in _degrees(degree - own, delay):
            factors = [(k, n) for k, n in enumerate(others) if n]
            yield (*factors, (delay, own))


def _degrees(total: int, places: int) -> Iterator[tuple[int, ...]]:
    """All ways to write a total as a sum over places; () has the total 0."""
    if places == 0:
        if total == 0:
            yield ()
        return
    for bars in itertools.combinations(range(total + places - 1), places - 1):
        edges = (-1, *bars, total + places - 1)
        yield tuple(b - a - 1 for a, b in itertools.pairwise(edges))


def measure(
    kept: Kept,
    seed: int,
    *,
    washout: int,
    steps: int,
    degree: int,
    delay: int,
    distribution: str,
    ridge: float,
) -> dict[str, Any]:
    """What a row says: the sum over functions above the threshold, by degree.

    `degree` and `delay` are the largest that are tried. Read-outs from the state are
    fitted to `steps` steps after the washout and tested on those that follow.
    """
    del seed
    last = washout + steps
    read = readout.fit(kept.x[washout:last], kept.x[last:], ridge)
    polynomial, u = POLYNOMIALS[distribution], kept.u[:, 0].astype(np.float64)
    values = np.stack([polynomial(n, u) for n in range(1, degree + 1)])
    degrees: list[Degree] = []
    for n in range(1, degree + 1):
        degrees.append(_degree(read, values, washout, n, delay))
        if not any(each.found for each in degrees[-DEGREES_WITHOUT:]) and n > 1:
            break
    delays = [each.delay for each in degrees if each.delay is not None]
    return {
        "processing": sum(each.total for each in degrees),
        "degrees": [each.total for each in degrees],
        "functions": sum(each.found for each in degrees),
        "functions_tried": sum(each.tried for each in degrees),
        "largest_delay": max(delays, default=None),
        "columns_state": read.columns,
        "rank_state": read.rank,
        "threshold_state": read.threshold,
    }


class Degree(NamedTuple):
    """What was found of one degree, up to which delay, of how many functions."""

    total: float
    found: int
    tried: int
    delay: int | None


def _degree(
    read: Readout, values: np.ndarray, washout: int, degree: int, max_delay: int
) -> Degree:
    total, found, tried, last = 0.0, 0, 0, None
    for delay in range(max_delay + 1):
        got = _explained(read, values, washout, functions(degree, delay))
        counts = (got.in_sample > read.threshold) & (got.held_out > 0).all(axis=0)
        total += float(np.sum(got.held_out.mean(axis=0), where=counts))
        found, tried = found + int(counts.sum()), tried + len(counts)
        last = delay if counts.any() else last
        if delay - (-1 if last is None else last) >= PATIENCE:
            break
    return Degree(total, found, tried, last)


def _explained(
    read: Readout, values: np.ndarray, washout: int, some: Iterator[Function]
) -> Explained:
    """What is got of functions, held out in two halves."""
    fitted, tested = len(read.fitted), len(read.tested)
    return Explained.joined(
        [
            read.explained(
                _targets(values, washout, fitted, batch),
                _targets(values, washout + fitted, tested, batch),
                pieces=2,
            )
            for batch in itertools.batched(some, max(1, NUMBERS // fitted))
        ]
    )


def _targets(
    values: np.ndarray, first: int, steps: int, some: tuple[Function, ...]
) -> np.ndarray:
    """The functions at `steps` steps from `first` on, `[steps, functions]`."""
    out = np.ones((len(some), steps))
    for row, factors in zip(out, some):
        for delay, degree in factors:
            row *= values[degree - 1, first - delay : first - delay + steps]
    return out.T
