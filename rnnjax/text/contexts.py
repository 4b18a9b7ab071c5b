"""How many words of context a loss is worth: the effective context.

A predictor that sees the last k words has, at best, a loss that falls with k. The
effective context of a network is the k whose best loss is that of the network, between
two k on a straight line. Needs no JAX.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SEEN = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # words k that predictors see
OK, BELOW, ABOVE = "ok", "below", "above"
Values = tuple[float | None, float | None, float | None]  # a mean and its interval


def crossing(contexts: Sequence[int], excess: Sequence[float]) -> float:
    """The least k at which the best loss is no higher than that of a network.

    `excess` is the best loss of each context minus that of the network: 3, 1, -1 for
    the contexts 0, 1, 2 give 1.5. It is -inf if the network is worse than the best
    predictor with the first k, and inf if it is better than the one with the last.
    """
    fallen = np.minimum.accumulate(np.asarray(excess, np.float64))
    if fallen[0] < 0:
        return -math.inf
    if fallen[-1] > 0:
        return math.inf
    after = int(np.argmax(fallen <= 0))
    if after == 0:
        return float(contexts[0])
    part = fallen[after - 1] / (fallen[after - 1] - fallen[after])
    before = contexts[after - 1]
    return float(before + part * (contexts[after] - before))


def references(
    contexts: Sequence[int], best: float, others: Sequence[float]
) -> dict[str, Any]:
    """Entries of a row: the best loss, and what those of each context have above it."""
    return {
        "optimum": float(best),
        "contexts": list(contexts),
        "context_regrets": [float(loss - best) for loss in others],
    }


def effective(
    regret: float | None, contexts: Sequence[int], regrets: Sequence[float]
) -> float | None:
    """The effective context of a regret, given those of predictors that see k words.

    It may be infinite, see `crossing`; None without a regret.
    """
    if regret is None:
        return None
    return crossing(contexts, [of_context - regret for of_context in regrets])


def effective_interval(
    regret: Values, contexts: Sequence[int], regrets: Sequence[float]
) -> Values:
    """`effective` of a mean regret and of the ends of its interval, lowest first."""
    mean, low, high = (effective(value, contexts, regrets) for value in regret)
    return mean, high, low  # more regret is less context


def entries(value: float | None) -> dict[str, Any]:
    """Entries of a row: `effective_context`, null if it is not finite, and a status."""
    status = None
    if value is not None:
        status = OK if math.isfinite(value) else (BELOW if value < 0 else ABOVE)
    return {"effective_context": finite(value), "effective_context_status": status}


def summarized(values: Values) -> dict[str, Any]:
    """The same of a line of a summary, with the ends of an interval."""
    value, low, high = values
    ends = {"effective_context_low": low, "effective_context_high": high}
    return entries(value) | {name: finite(end) for name, end in ends.items()}


def of_line(line: Mapping[str, Any]) -> Values:
    """The effective context of a row or a line of a summary, with its interval.

    Null then stands for what is not finite, unless there is no value or no interval.
    """
    status, (value, low, high) = (
        line["effective_context_status"],
        (line[f"effective_context{end}"] for end in ("", "_low", "_high")),
    )
    if status is None:
        return None, None, None
    if value is None:
        value = -math.inf if status == BELOW else math.inf
    if line["regret_low"] is None:
        return value, None, None
    if low is None:
        low = math.inf if status == ABOVE else -math.inf
    if high is None:
        high = -math.inf if status == BELOW else math.inf
    return value, low, high


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def text(value: float | None) -> str:
    """As "2.3"; "<0" for less than none, ">32" for more than the largest."""
    if value is None:
        return "-"
    if math.isinf(value):
        return f"<{SEEN[0]}" if value < 0 else f">{SEEN[-1]}"
    return f"{value:.1f}"


def interval(values: Values) -> str:
    """As "2.3 (1.9 to 2.8)", of a value and both ends; the value alone without ends."""
    value, low, high = (text(number) for number in values)
    return value if "-" in (low, high) else f"{value} ({low} to {high})"
