"""Comparisons of methods by their rows: which is best, and what depends on what.

Seeds are paired: seed s of every method has the same weights where networks are equal,
and the same batches. So a difference is computed for each seed of each task, and its
interval is that of a bootstrap over seeds, stratified by task.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rnnjax.optimization import summary
from rnnjax.optimization.schema import METHOD
from rnnjax.results import bootstrap, statistics
from rnnjax.results.bootstrap import Estimate
from rnnjax.results.schema import Row

HE, GLOROT, RELU, TANH = "he_normal", "glorot_normal", "relu", "tanh"
SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"

Scores = list[np.ndarray]  # of a method: for each task an array [seeds]
Values = Callable[[Sequence[Row]], np.ndarray]  # of the lanes of a method: [seeds]


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

    `closest` is the comparison with the other of the highest mean; if contradicted, of
    those that are better.
    """

    word: str
    closest: Comparison


def choices(rows: Sequence[Row]) -> dict[str, Values]:
    """Accuracies at the defaults, and expected ones of the best of k trials."""
    found = [summary.searched(lanes) for _, lanes in summary.methods(rows)]
    most = max((len(summary.seeds(some)[0]) for some in found if some), default=0)
    budgets = summary.budgets(most) if most else []
    return {"defaults": at_defaults} | {
        f"best of {k}": functools.partial(of_budget, k) for k in budgets
    }


def at_defaults(lanes: Sequence[Row]) -> np.ndarray:
    """The test accuracy of each seed with the optimizer's defaults."""
    return np.array([*map(summary.score, summary.default(lanes))])


def of_budget(k: int, lanes: Sequence[Row]) -> np.ndarray:
    """The expected test accuracy of each seed after k trials, or all if fewer."""
    curves = summary.budget(lanes)
    return curves[:, min(k, curves.shape[1]) - 1] if curves.size else np.array([])


def scores(rows: Sequence[Row], key: str, values: Values) -> dict[str, Scores]:
    """The test accuracies of each value of a key, for each task.

    Those that lack a seed of a task are left out: comparisons are paired.
    """
    tasks: dict[tuple[object, ...], dict[str, list[Row]]] = {}
    for _, lanes in summary.methods(rows):
        shared = tuple(lanes[0][name] for name in METHOD if name != key)
        tasks.setdefault(shared, {})[lanes[0][key]] = lanes
    names = dict.fromkeys(name for some in tasks.values() for name in some)
    wanted = [_seeds(*some.values()) for some in tasks.values()]
    found: dict[str, Scores] = {}
    for name in names:
        of_tasks = [some.get(name, []) for some in tasks.values()]
        if [_seeds(lanes) for lanes in of_tasks] != wanted:
            continue
        arrays = [values(lanes) for lanes in of_tasks]
        if [len(array) for array in arrays] == [*map(len, wanted)]:
            found[name] = arrays
    return found


def _seeds(*groups: Sequence[Row]) -> set[int]:
    return {row["seed"] for lanes in groups for row in lanes}


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
    strict = 1 - (1 - statistics.CONFIDENCE) / len(others)
    better = [
        one
        for one in compared
        if (high := difference(found[name], found[one.other], strict).high) is not None
        and high < 0
    ]
    above = [
        one.difference.low is not None and one.difference.low > 0 for one in compared
    ]
    word = SUPPORTED if all(above) else CONTRADICTED if better else UNDECIDED
    return Verdict(word, min(better or compared, key=lambda one: one.difference.value))


def compare(found: Mapping[str, Scores], name: str, other: str) -> Comparison:
    """One optimizer against another over all tasks.

    The probability has no interval with fewer seeds than a bootstrap needs.
    """
    a, b = found[name], found[other]
    probability = bootstrap.probability_of_improvement(a, b)
    if min(map(len, a)) < bootstrap.MIN_SEEDS:
        probability = Estimate(probability.value, None, None)
    return Comparison(other, difference(a, b), probability)


def difference(
    a: Scores, b: Scores, confidence: float = statistics.CONFIDENCE
) -> Estimate:
    """The mean over tasks and seeds of a - b, paired by seed."""
    return bootstrap.mean([x - y for x, y in zip(a, b, strict=True)], confidence)


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


def interaction(rows: Sequence[Row], values: Values) -> dict[str, Interaction]:
    """He against Glorot under ReLU and tanh: for each task, family of cells and size.

    `rnn_relu` and `rnn_tanh` are the family rnn; other cells are families themselves.
    """
    families: dict[tuple[object, ...], dict[tuple[str, str], list[Row]]] = {}
    for _, lanes in summary.methods(rows):
        first = lanes[0]
        if first["initializer"] in (HE, GLOROT):
            cell = first["cell"].removesuffix(f"_{first['activation']}")
            which = (
                summary.task(first),
                cell,
                first["hidden_size"],
                first["optimizer"],
            )
            kind = first["initializer"], first["activation"]
            families.setdefault(which, {})[kind] = lanes
    kinds = [(start, function) for function in (RELU, TANH) for start in (HE, GLOROT)]
    whole = {
        which: [known[kind] for kind in kinds]
        for which, known in families.items()
        if all(kind in known for kind in kinds)
    }
    varying = [k for k in range(4) if k < 2 or len({one[k] for one in whole}) > 1]
    found = {}
    for shape, groups in whole.items():
        arrays = [values(lanes) for lanes in groups]
        alike = len({frozenset(_seeds(lanes)) for lanes in groups}) == 1
        if alike and {len(array) for array in arrays} == {len(_seeds(groups[0]))}:
            found[", ".join(str(shape[k]) for k in varying)] = _interaction(*arrays)
    return found


def _interaction(
    he_relu: np.ndarray,
    glorot_relu: np.ndarray,
    he_tanh: np.ndarray,
    glorot_tanh: np.ndarray,
) -> Interaction:
    relu, tanh = he_relu - glorot_relu, he_tanh - glorot_tanh
    return Interaction(*(summary.mean(x) for x in (relu, tanh, relu - tanh)))
