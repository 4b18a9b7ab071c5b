"""Comparisons of methods by their rows: which is best, and what depends on what.

Seeds are paired: seed s of every method has the same weights where networks are equal,
and the same batches. So a difference is computed for each seed of each task, and its
interval is that of a bootstrap over seeds, stratified by task.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from rnnjax.optimization import summary
from rnnjax.optimization.schema import METHOD
from rnnjax.optimization.summary import Choose
from rnnjax.results import bootstrap, statistics
from rnnjax.results.bootstrap import Estimate
from rnnjax.results.schema import Row

HE, GLOROT, RELU, TANH = "he_normal", "glorot_normal", "relu", "tanh"
SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
CHOICES: dict[str, Choose] = {
    "defaults": summary.default,
    "best setting": summary.chosen,
}

Scores = list[np.ndarray]  # of a method: for each task an array [seeds]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One optimizer against another.

    Attributes:
      other: the other optimizer.
      difference: of the mean accuracy, the other's subtracted.
      probability: that a seed of the first is better than a seed of the other.
    """

    other: str
    difference: Estimate
    probability: Estimate


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether an optimizer is best: `supported`, `contradicted` or `undecided`.

    `closest` is the comparison with the optimizer whose mean is highest of the others.
    """

    word: str
    closest: Comparison


def scores(rows: Sequence[Row], key: str, choose: Choose) -> dict[str, Scores]:
    """The test accuracies of each value of a key, of the lanes that `choose` gives.

    Values that lack a seed of a task are left out: comparisons are paired.
    """
    tasks: dict[tuple[object, ...], dict[str, list[Row]]] = {}
    for _, lanes in summary.methods(rows):
        first = lanes[0]
        shared = tuple(first[name] for name in METHOD if name != key)
        tasks.setdefault(shared, {})[first[key]] = choose(lanes)
    values = dict.fromkeys(value for some in tasks.values() for value in some)
    found: dict[str, Scores] = {}
    for value in values:
        lanes_of = [some.get(value, []) for some in tasks.values()]
        known = [{row["seed"] for row in lanes} for lanes in lanes_of]
        wanted = [_seeds(some) for some in tasks.values()]
        if all(a and a == b for a, b in zip(known, wanted)):
            found[value] = [
                np.array([summary.score(row) for row in lanes]) for lanes in lanes_of
            ]
    return found


def _seeds(by_value: Mapping[str, Sequence[Row]]) -> set[int]:
    return {row["seed"] for lanes in by_value.values() for row in lanes}


def best(found: Mapping[str, Scores], name: str) -> Verdict | None:
    """Whether `name` has the best mean accuracy; None without others.

    Supported if its interval of the difference to every other is above 0: each of 95 %,
    since all have to be. Contradicted if an interval to one of the m others is below 0,
    each of 1 - 0.05 / m, since one is enough.
    """
    others = [other for other in found if other != name]
    if name not in found or not others:
        return None
    compared = [compare(found, name, other) for other in others]
    above = [c.difference.low is not None and c.difference.low > 0 for c in compared]
    strict = 1 - (1 - statistics.CONFIDENCE) / len(others)
    below = [
        high is not None and high < 0
        for other in others
        if (high := difference(found[name], found[other], strict).high) is not None
    ]
    word = SUPPORTED if all(above) else CONTRADICTED if any(below) else UNDECIDED
    return Verdict(word, min(compared, key=lambda c: c.difference.value))


def compare(found: Mapping[str, Scores], name: str, other: str) -> Comparison:
    """One optimizer against another over all tasks."""
    a, b = found[name], found[other]
    return Comparison(
        other, difference(a, b), bootstrap.probability_of_improvement(a, b)
    )


def difference(
    a: Scores, b: Scores, confidence: float = statistics.CONFIDENCE
) -> Estimate:
    """The mean over tasks and seeds of a - b, paired by seed."""
    pairs = [x - y for x, y in zip(a, b, strict=True)]
    return bootstrap.interval(
        pairs, lambda *x: np.mean([one.mean(1) for one in x], axis=0), confidence
    )


@dataclasses.dataclass(frozen=True)
class Interaction:
    """What an initializer gains over another under two nonlinearities.

    Attributes:
      relu, tanh: the gain of He over Glorot, in accuracy.
      interaction: the first minus the second.
    """

    relu: Estimate
    tanh: Estimate
    interaction: Estimate


def interaction(rows: Sequence[Row], choose: Choose) -> dict[str, Interaction]:
    """He against Glorot under ReLU and tanh: for each task and family of cells.

    `rnn_relu` and `rnn_tanh` are the family rnn; other cells are families themselves.
    """
    by_family: dict[str, dict[tuple[str, str], np.ndarray]] = {}
    for _, lanes in summary.methods(rows):
        first = lanes[0]
        if first["initializer"] in (HE, GLOROT):
            cell = first["cell"].removesuffix(f"_{first['activation']}")
            family = by_family.setdefault(f"{summary.task(first)}, {cell}", {})
            kind = first["initializer"], first["activation"]
            family[kind] = np.array([summary.score(row) for row in choose(lanes)])
    kinds = [(start, function) for function in (RELU, TANH) for start in (HE, GLOROT)]
    return {
        name: _interaction(*(known[kind] for kind in kinds))
        for name, known in by_family.items()
        if all(kind in known and len(known[kind]) for kind in kinds)
    }


def _interaction(
    he_relu: np.ndarray,
    glorot_relu: np.ndarray,
    he_tanh: np.ndarray,
    glorot_tanh: np.ndarray,
) -> Interaction:
    relu, tanh = he_relu - glorot_relu, he_tanh - glorot_tanh
    return Interaction(*(summary.mean(x) for x in (relu, tanh, relu - tanh)))
