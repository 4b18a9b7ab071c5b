"""What the rows of optimization say about each method. Needs no JAX.

A method is all but the trial and the seed: task, cell, start, and optimizer. A seed
is one tuning: the trial of that seed with the best validation accuracy is `chosen`,
and its test accuracy counts. A training that diverged has no right answer: accuracy 0.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from rnnjax.optimization.schema import DEFAULT, DIVERGED, METHOD, OWN, THEN
from rnnjax.results import bootstrap, statistics
from rnnjax.results.bootstrap import Estimate
from rnnjax.results.schema import Row
from rnnjax.results.statistics import Mean, Times

Choose = Callable[[Sequence[Row]], list[Row]]  # one lane for each seed of a method


def summary(rows: list[Row]) -> list[Row]:
    """One line for each method; see docs/experiments.md."""
    return [_line(method, lanes) for method, lanes in methods(rows)]


def methods(rows: Iterable[Row]) -> list[tuple[tuple[object, ...], list[Row]]]:
    """The lanes of each method, in the order of the rows."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in METHOD), []).append(row)
    return list(found.items())


def title(row: Row, among: Sequence[Row]) -> str:
    """What tells a method from the others, such as "gru, relu, he_normal"."""
    words = [row["cell"]]
    for key in ("activation", "initializer", "hidden_size", "optimizer"):
        several = len({other[key] for other in among}) > 1
        if key == "activation":  # rnn_relu says it by itself
            own = {other[key] for other in among if other["cell"] == row["cell"]}
            several = len(own) > 1
        if several and row[key] != OWN:
            words.append(f"{row[key]} units" if key == "hidden_size" else row[key])
    if len(words) > 1 and len({other["cell"] for other in among}) == 1:
        del words[0]
    return ", ".join(map(str, words))


def task(row: Row) -> str:
    """A task with its length, such as "adding 100"."""
    return row["task"] + (f" {row['length']}" if row["length"] is not None else "")


def score(row: Row) -> float:
    """The accuracy on test data; 0 if the training diverged."""
    return 0.0 if row["accuracy"] is None else row["accuracy"]


def validation(row: Row) -> float:
    """The last accuracy on validation data; -inf if the training diverged."""
    known = [x for x in row["validation_accuracy"] if x is not None]
    return known[-1] if known and row["status"] != DIVERGED else -math.inf


def searched(lanes: Iterable[Row]) -> list[Row]:
    """The lanes of trials that were searched."""
    return [row for row in lanes if row["searched"]]


def seeds(lanes: Iterable[Row]) -> list[list[Row]]:
    """The lanes of each seed, in the order of seeds."""
    found: dict[int, list[Row]] = {}
    for row in lanes:
        found.setdefault(row["seed"], []).append(row)
    return [found[seed] for seed in sorted(found)]


def chosen(lanes: Sequence[Row]) -> list[Row]:
    """For each seed the searched trial with the best validation accuracy.

    Of equal ones that which solves the task with fewer samples, then that with the
    lower number. Trainings that end once they are solved are equal: how far above the
    level they end is chance.
    """

    def order(row: Row) -> tuple[float, float, int]:
        ended = row["until_solved"] and row["solved_update"] is not None
        score = math.inf if ended else validation(row)
        return -score, samples(row), row["trial"]

    return [min(some, key=order) for some in seeds(searched(lanes))]


def default(lanes: Sequence[Row]) -> list[Row]:
    """For each seed the lane with the optimizer's defaults."""
    return [row for some in seeds(lanes) for row in some if row["trial"] == DEFAULT]


def mean(values: Sequence[float] | np.ndarray) -> Estimate:
    """A mean over seeds with its interval; see `bootstrap.mean`."""
    return bootstrap.mean([values])


def median_trial(lanes: Sequence[Row]) -> list[float]:
    """For each seed the median over searched trials of the test accuracy."""
    return [
        float(np.median([score(row) for row in some]))
        for some in seeds(searched(lanes))
    ]


def budget(lanes: Sequence[Row]) -> np.ndarray:
    """The expected test accuracy of the best of k searched trials `[seeds, k]`."""
    curves = [
        bootstrap.expected_best(
            [validation(row) for row in some], list(map(score, some))
        )
        for some in seeds(searched(lanes))
    ]
    fewest = min(map(len, curves), default=0)
    return np.array([curve[:fewest] for curve in curves]).reshape(len(curves), fewest)


def solved(lanes: Sequence[Row]) -> Mean:
    """The fraction of lanes that solve the task, with Wilson's interval."""
    count = sum(row["solved_update"] is not None for row in lanes)
    return statistics.fraction(count, len(lanes))


def solved_update(lanes: Sequence[Row]) -> Times:
    """When lanes solve the task; a lane that never does is censored."""
    return statistics.censored([row["solved_update"] for row in lanes])


def samples(row: Row) -> float:
    """The samples whose gradient was computed until the task was solved, or inf."""
    if row["solved_update"] is None:
        return math.inf
    point = row["curve_updates"].index(row["solved_update"])
    return row["batch"] * row["curve_gradients"][point]


def diverged(lanes: Sequence[Row]) -> float:
    """The share of all lanes that diverged."""
    return sum(row["status"] == DIVERGED for row in lanes) / len(lanes)


def stages(row: Row) -> list[tuple[str, float | None]]:
    """The optimizers that trained a network, and the accuracy after each.

    On validation data, since the test is of the last one alone.
    """
    names = row["optimizer"].split(THEN)
    points = len(row["validation_accuracy"]) // len(names)
    ends = row["validation_accuracy"][points - 1 :: points]
    return list(zip(names, ends))


def budgets(most: int) -> list[int]:
    """1, 2, 4, ... and the most trials that were searched."""
    return sorted({2**k for k in range(most.bit_length()) if 2**k <= most} | {most})


def _line(method: tuple[object, ...], lanes: Sequence[Row]) -> Row:
    line: Row = dict(zip(METHOD, method))
    line |= {"seeds": len(seeds(lanes)), "diverged": diverged(lanes)}
    for name, some in (("default", default(lanes)), ("chosen", chosen(lanes))):
        if some:
            line |= _of(name, some)
    if found := searched(lanes):
        line["trials"] = len(seeds(found)[0])
        line |= _entries("median_accuracy", mean(median_trial(lanes)))
        curves = budget(lanes)
        for k in budgets(curves.shape[1]):
            line |= _entries(f"best_of_{k}", mean(curves[:, k - 1]))
    return line


def _of(name: str, lanes: Sequence[Row]) -> Row:
    """Accuracy, solved fraction and time of one lane a seed."""
    part, when = solved(lanes), solved_update(lanes).median
    return {
        **_entries(f"{name}_accuracy", mean([score(row) for row in lanes])),
        f"{name}_solved": part.mean,
        f"{name}_solved_low": part.low,
        f"{name}_solved_high": part.high,
        f"{name}_solved_update": _finite(when.median),
        f"{name}_solved_update_low": _finite(when.low),
        f"{name}_solved_update_high": _finite(when.high),
        f"{name}_solved_samples": _finite(float(np.median([*map(samples, lanes)]))),
    }


def _entries(name: str, found: Estimate) -> Row:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value
