"""What the rows of recall say about each network. Needs no JAX."""

import math
from collections.abc import Sequence

import numpy as np

from rnnjax.results import statistics
from rnnjax.results.schema import Row
from rnnjax.results.statistics import FRACTIONS, Mean

RECALLED = 0.9  # of the queries, at a number of pairs that counts as recalled


def line(lanes: Sequence[Row]) -> Row:
    """How many pairs a network recalls, over seeds, and its mean accuracies.

    `recalled_pairs` is the median of `recalled`, with its interval; null where that is
    beyond the most pairs that are tested, of which `censored` counts the seeds.
    """
    first = lanes[0]
    found = [recalled(row) for row in lanes if row["status"] == "trained"]
    median = statistics.censored(found).median
    out: Row = {
        "parameters": first["parameters"],
        "updates": first["updates"],
        "learning_rate": first["learning_rate"],
        "recalled_pairs": _finite(median.median),
        "recalled_pairs_low": _finite(median.low),
        "recalled_pairs_high": _finite(median.high),
        "censored": sum(pairs is None for pairs in found),
        "tested_pairs": max(first["pairs"]),
        "chance_accuracy": first["chance_accuracy"],
    }
    for name, points in (("pairs", by_pairs(lanes)), ("length", by_length(lanes))):
        for number, mean in points:
            key = f"accuracy_{name}_{number}"
            out |= {key: mean.mean, f"{key}_low": mean.low, f"{key}_high": mean.high}
    return out


def by_pairs(lanes: Sequence[Row]) -> list[tuple[int, Mean]]:
    """Each number of pairs with the mean accuracy over seeds and its interval."""
    return _means(lanes, "pairs", "accuracy")


def by_length(lanes: Sequence[Row]) -> list[tuple[int, Mean]]:
    """Each length with the mean accuracy over seeds and its interval."""
    return _means(lanes, "lengths", "length_accuracy")


def _means(lanes: Sequence[Row], numbers: str, key: str) -> list[tuple[int, Mean]]:
    """Means without the lanes that diverged, and without what was not finite."""
    tested = [row[key] for row in lanes if row[key] is not None]
    return [
        (number, statistics.mean((values[k] for values in tested), FRACTIONS))
        for k, number in enumerate(lanes[0][numbers])
    ]


def recalled(row: Row) -> int | None:
    """The number of pairs up to which every accuracy is 90 % or more.

    0 if none is; None, censored, if all are that were tested.
    """
    pairs = 0
    for number, accuracy in zip(row["pairs"], row["accuracy"], strict=True):
        if accuracy is None or accuracy < RECALLED:
            return pairs
        pairs = number
    return None


def without_keys(pairs: int, values: int) -> float:
    """The accuracy of a network that knows which values were shown, but not their keys.

    It names the most frequent of n independent values v, which is right in the fraction
    E[m] / n for the times m that this one occurs. Of n!/(c_1! ... c_v!) / v^n, the
    probability of each count, the sum over counts of at most k is P(m <= k), found as a
    coefficient of (1 + x + x^2/2! + ... + x^k/k!)^v:

        >>> round(without_keys(2, 6), 4)  # 1/2, and 1 if both are equal
        0.5833
    """
    expected = 0.0
    for k in range(pairs):
        series = [1 / math.factorial(c) for c in range(k + 1)]
        product = np.ones(1)
        for _ in range(values):
            product = np.convolve(product, series)[: pairs + 1]
        at_most = product[pairs] if len(product) > pairs else 0.0
        expected += 1 - at_most * math.factorial(pairs) / values**pairs  # P(m > k)
    return float(expected) / pairs


def _finite(value: float | None) -> float | None:
    return None if value == math.inf else value
