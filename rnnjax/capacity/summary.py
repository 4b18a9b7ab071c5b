"""What is shown of a run of capacity, from rows alone. Needs no JAX."""

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.capacity import growth, search
from rnnjax.capacity.schema import OWN
from rnnjax.results import statistics
from rnnjax.results.schema import Row
from rnnjax.text import contexts, keys

# What a search chooses, by the keys of rows.
CHOSEN = (
    "optimizer",
    "learning_rate",
    "decay",
    "momentum",
    "weight_decay",
    "clip",
    "kernel_gain",
    "recurrent_gain",
    "readout_gain",
    "keep_bias",
    "samples",
)


class Series(NamedTuple):
    """What the points of one line of a picture have in common."""

    cell: str
    recurrent_init: str
    layers: int
    steps: int | None


def series_of(row: Row) -> Series:
    return Series(*(row[name] for name in Series._fields))


def series(rows: Sequence[Row]) -> list[Series]:
    """The series that occur, sorted."""
    return sorted({series_of(row) for row in rows}, key=_sort_key)


def _sort_key(value: Series) -> tuple[str, str, int, int]:
    return (*value[:3], value.steps or 0)


def title(value: Series, among: Sequence[Series]) -> str:
    """A name such as "gru x2, orthogonal, 5 steps".

    It has the initializer, and the steps, if other series differ in them.
    """
    parts = [value.cell if value.layers == 1 else f"{value.cell} x{value.layers}"]
    if len({other.recurrent_init for other in among}) > 1:
        parts.append(value.recurrent_init)
    if len({other.steps for other in among}) > 1:
        parts.append("1 step" if value.steps == 1 else f"{value.steps} steps")
    return ", ".join(parts)


def points(rows: Sequence[Row]) -> list[tuple[Series, int, list[Row]]]:
    """Each series and budget with the rows of all its trainings, sorted."""

    def key(row: Row) -> tuple[tuple, int]:
        return _sort_key(series_of(row)), row["budget"]

    grouped = (
        list(group) for _, group in itertools.groupby(sorted(rows, key=key), key)
    )
    return [(series_of(group[0]), group[0]["budget"], group) for group in grouped]


def size(row: Row) -> str:
    """As "8 units" where a task is about units, else as "60 parameters"."""
    if row.get("loss_bound") is not None:
        return f"{row['hidden_size']} units"
    return f"{row['budget']} parameters"


class Result(NamedTuple):
    """What one search found.

    `draws` are the rows of its fresh draws. It was `bracketed` if both neighboring
    numbers of samples were worse in the mean.
    """

    draws: list[Row]
    bracketed: bool


def results(rows: Sequence[Row]) -> list[Result]:
    """The result of each search at one point that has reached its fresh draws."""
    indices = sorted({row["search"] for row in rows})
    every = [_result([r for r in rows if r["search"] == index]) for index in indices]
    return [result for result in every if result.draws]


def values(rows: Sequence[Row], value: Callable[[Row], float | None]) -> list[float]:
    """The numbers whose mean is the result at one point.

    With one search they are `value` of each fresh draw; with more, the mean of the
    draws of each search. There are none if a fresh draw diverged.
    """
    searches = _draws(rows, value)
    return searches[0] if len(searches) == 1 else search_means(rows, value)


def search_means(
    rows: Sequence[Row], value: Callable[[Row], float | None]
) -> list[float]:
    """The mean of the fresh draws of each search at one point; see `values`."""
    return [float(np.mean(draws)) for draws in _draws(rows, value)]


def _draws(
    rows: Sequence[Row], value: Callable[[Row], float | None]
) -> list[list[float]]:
    """`value` of each fresh draw of each search; none if one of them diverged."""
    searches = [[value(row) for row in draws] for draws, _ in results(rows)]
    known = [[v for v in draws if v is not None] for draws in searches]
    return known if known == searches else []


def covers(rows: Sequence[Row]) -> str:
    """What the interval of the mean of `values` covers: "draws" or "searches"."""
    return "searches" if len(results(rows)) > 1 else "draws"


def intervals(rows: Sequence[Row]) -> str:
    """What the 95 % intervals of a run cover, in words."""
    counts = [len(results(trials)) for _, _, trials in points(rows)]
    if max(counts) < 2:
        if draws_count(rows) == 1:
            return "none, of one draw of one search"
        return "95 %, over the fresh draws of one search; they do not cover the search"
    words = f"95 %, over {max(counts)} searches, whose fresh draws are averaged"
    return words if min(counts) > 1 else f"{words}; over draws where there is one"


def _result(rows: Sequence[Row]) -> Result:
    """That of one search, without draws until it has reached them.

    If the run was extended, the hyperparameters with the most draws are taken.
    """
    draws: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        if row["stage"] == search.DRAWS:
            draws.setdefault((row["trial"], row["move"]), []).append(row)
    if not draws:
        return Result([], False)
    trial, move = max(draws, key=lambda key: len(draws[key]))
    scores: dict[int, list[float | None]] = {}
    for row in rows:
        if (row["stage"], row["trial"]) == (search.BRACKET, trial):
            scores.setdefault(row["move"], []).append(row["score"])
    means = {k: _mean_score(values) for k, values in scores.items()}
    bracketed = all(
        neighbor in means and means[neighbor] < means[move]
        for neighbor in (move - 1, move + 1)
    )
    return Result(draws[trial, move], bracketed)


def _mean_score(scores: Sequence[float | None]) -> float:
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if len(known) == len(scores) else -math.inf


def counts_bits(rows: Sequence[Row]) -> bool:
    """Whether the search is about the bits that are stored, not about the loss."""
    return rows[0]["objective"] == "bits"


def summary(rows: Sequence[Row]) -> list[Row]:
    """A flat line for each series and budget."""
    lines = [_line(key, budget, trials) for key, budget, trials in points(rows)]
    for line, (key, _, _) in zip(lines, points(rows), strict=True):
        if found := growth_of(rows, key):
            line |= _flat("slope", found.slope) | _flat("exponent", found.exponent)
    return lines


def growth_of(rows: Sequence[Row], of: Series) -> growth.Growth | None:
    """How the bits of a series grow; None if it is not about bits, or too short."""
    if not counts_bits(rows):
        return None
    found = [
        (trials[0]["parameters"], bits)
        for line, _, trials in points(rows)
        if line == of
        for bits in search_means(trials, operator.itemgetter("bits"))
    ]
    parameters, bits = zip(*found) if found else ((), ())
    return growth.growth(parameters, bits)


def failed(rows: Sequence[Row]) -> statistics.Mean | None:
    """The fraction of the first rung's trainings that failed, with Wilson's interval.

    Only the hyperparameters of the first rung are spread evenly over their ranges. A
    training fails that diverges or ends no better than the chance level.
    """
    first = [row["failed"] for row in rows if row["stage"] == search.FIRST_RUNG]
    return statistics.fraction(sum(first), len(first)) if first else None


def _line(key: Series, budget: int, trials: list[Row]) -> Row:
    line: Row = {
        "cell": key.cell,
        "layers": key.layers,
        "budget": budget,
        "parameters": trials[0]["parameters"],
        "hidden_size": trials[0]["hidden_size"],
    }
    if key.recurrent_init != OWN:
        line["recurrent_init"] = key.recurrent_init
    if key.steps is not None:
        line["steps"] = key.steps
    line |= _bits(trials) if counts_bits(trials) else _loss(trials)
    line["trials"] = len(trials)
    line["diverged"] = sum(row["status"] == "diverged" for row in trials)
    if part := failed(trials):
        line |= {"first_trials": part.n, **_flat("failed", part)}
    found = results(trials)
    line |= {"searches": len(found), "draws": sum(len(draws) for draws, _ in found)}
    return line | {"interval_covers": covers(trials)} | _winner(found)


def _winner(found: list[Result]) -> Row:
    """What the search chose; of several, the one with the best mean of fresh draws."""
    if not found:
        return {"winner_search": None} | {f"winner_{key}": None for key in CHOSEN}

    def mean(result: Result) -> float:
        return _mean_score([row["score"] for row in result.draws])

    row = max(found, key=mean).draws[0]
    chosen = {f"winner_{key}": row.get(key) for key in CHOSEN}
    return {"winner_search": row["search"], **chosen}


def _bits(trials: list[Row]) -> Row:
    parameters = trials[0]["parameters"]
    mean = _mean("bits_per_parameter", trials, bits_per_parameter)
    bits, found = mean["bits_per_parameter"], results(trials)
    known = [b for b in map(bits_per_parameter, trials) if b is not None]
    return {
        "samples": _mean_samples(found),
        "bits": None if bits is None else bits * parameters,
        **mean,
        "bracketed": sum(result.bracketed for result in found),
        "max_bits_per_parameter": max(known, default=None),
    }


def _mean_samples(found: list[Result]) -> int | None:
    samples = [result.draws[0]["samples"] for result in found]
    return round(np.mean(samples)) if samples else None


def bits_per_parameter(row: Row) -> float | None:
    """Of one training; None if it diverged."""
    return None if row["bits"] is None else row["bits"] / row["parameters"]


def _mean(name: str, trials: list[Row], value: Callable[[Row], float | None]) -> Row:
    """The mean of `values` with its standard deviation and interval."""
    mean = statistics.mean(values(trials, value), statistics.NONNEGATIVE)
    return _flat(name, mean) | {f"{name}_sd": mean.sd}


def _flat(name: str, mean: statistics.Mean) -> Row:
    """A mean and its interval as entries of a line."""
    return {name: mean.mean, f"{name}_low": mean.low, f"{name}_high": mean.high}


def _loss(trials: list[Row]) -> Row:
    losses = [row["loss"] for row in trials if row["loss"] is not None]
    line = _mean("loss", trials, operator.itemgetter("loss"))
    line["best_loss"] = min(losses, default=None)
    for name in other_scores(trials):
        line[name] = statistics.mean(values(trials, operator.itemgetter(name))).mean
    line |= {"chance": trials[0]["chance"], "loss_name": trials[0]["loss_name"]}
    if trials[0]["loss_bound"] is not None:
        line["loss_bound"] = trials[0]["loss_bound"]
    return line | (_regret(trials) if "optimum" in trials[0] else {})


def _regret(trials: list[Row]) -> Row:
    """The regret on a synthetic text, and the effective context of its mean."""
    first = trials[0]
    line = {key: first[key] for key in (*keys.source(), "optimum")}
    regret = _mean("regret", trials, operator.itemgetter("regret"))
    values = regret["regret"], regret["regret_low"], regret["regret_high"]
    return line | regret | contexts.summarized(effective_context(values, trials))


def effective_context(regret: contexts.Values, rows: Sequence[Row]) -> contexts.Values:
    """That of a mean regret and its interval, of networks of one run."""
    known = rows[0]["contexts"], rows[0]["context_regrets"]
    return contexts.effective_interval(regret, *known)


def other_scores(rows: Sequence[Row]) -> list[str]:
    """The names of the task's scores but the loss."""
    return [name for name in rows[0]["scores"] if name != "loss"]


def draws_count(rows: Sequence[Row]) -> int:
    """The number of fresh draws of a search."""
    draws = [row for row in rows if row["stage"] == search.DRAWS]
    searches = {row["search"] for row in draws}
    return len({row["seed"] for row in draws}) // max(len(searches), 1)


def score_scale(rows: Sequence[Row]) -> float:
    """What scores are divided by to be shown.

    The parameters if the objective is bits; -1 if less of the objective is better.
    """
    if counts_bits(rows):
        return rows[0]["parameters"]
    known = [row for row in rows if row["score"] is not None]
    negated = any(row["score"] != row[row["objective"]] for row in known)
    return -1.0 if negated else 1.0


def expected_best(scores: np.ndarray, count: int) -> float:
    """The expected best of `count` of the scores, drawn without replacement.

    Of n scores in descending order, the k-th (from 0) is the best of a draw with
    probability C(n - k - 1, count - 1) / C(n, count). Scores that are -inf, of
    trainings that diverged, count as the worst finite one.
    """
    finite = np.where(np.isfinite(scores), scores, scores[np.isfinite(scores)].min())
    ordered = np.sort(finite)[::-1]
    n, probability, expected = len(ordered), count / len(ordered), 0.0
    for k, score in enumerate(ordered[: n - count + 1]):
        expected += probability * score
        if n - k > 1:
            probability *= (n - k - count) / (n - k - 1)
    return expected


def slope_through_zero(x: np.ndarray, y: np.ndarray) -> float:
    """The slope s of the line y = s x that fits best, by least squares."""
    return float(x @ y / (x @ x))
