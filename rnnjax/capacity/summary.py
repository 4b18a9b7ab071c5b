"""What is shown of a run of capacity, from rows alone. Needs no JAX."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.capacity import search
from rnnjax.capacity.schema import OWN
from rnnjax.results import statistics
from rnnjax.results.schema import Row


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


def winner(rows: Sequence[Row]) -> tuple[list[Row], bool]:
    """The rows of the result at one point, and whether it was bracketed.

    That is, whether both neighboring numbers of samples were worse in the mean. The
    rows are those of the fresh draws; none until the search has reached them. If the
    run was extended, the hyperparameters with the most draws are taken.
    """
    draws: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        if row["stage"] == search.DRAWS:
            draws.setdefault((row["trial"], row["move"]), []).append(row)
    if not draws:
        return [], False
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
    return draws[trial, move], bracketed


def _mean_score(scores: Sequence[float | None]) -> float:
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if len(known) == len(scores) else -math.inf


def counts_bits(rows: Sequence[Row]) -> bool:
    """Whether the search is about the bits that are stored, not about the loss."""
    return rows[0]["objective"] == "bits"


def summary(rows: Sequence[Row]) -> list[Row]:
    """A flat line for each series and budget."""
    return [_line(key, budget, trials) for key, budget, trials in points(rows)]


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
    best, bracketed = winner(trials)
    if counts_bits(trials):
        line |= _bits(trials, best) | {"bracketed": bracketed}
        line["max_bits_per_parameter"] = _max_bits_per_parameter(trials)
    else:
        line |= _loss(trials, best)
    line["trials"] = len(trials)
    line["diverged"] = sum(row["status"] == "diverged" for row in trials)
    line["draws"] = len(best)
    return line


def _bits(trials: list[Row], best: list[Row]) -> Row:
    parameters = trials[0]["parameters"]
    mean = mean_of_draws(bits_per_parameter(best))
    return {
        "samples": best[0]["samples"] if best else None,
        "bits": None if mean.mean is None else mean.mean * parameters,
        "bits_per_parameter": mean.mean,
        "bits_per_parameter_low": mean.low,
        "bits_per_parameter_high": mean.high,
    }


def bits_per_parameter(rows: Sequence[Row]) -> list[float | None]:
    """Of each training; None if it diverged."""
    return [
        None if row["bits"] is None else row["bits"] / row["parameters"] for row in rows
    ]


def _max_bits_per_parameter(trials: Sequence[Row]) -> float | None:
    known = [bits for bits in bits_per_parameter(trials) if bits is not None]
    return max(known, default=None)


def mean_of_draws(values: Sequence[float | None]) -> statistics.Mean:
    """The mean over the fresh draws; that of no values if one of them diverged."""
    return statistics.mean([] if None in values else values)


def _loss(trials: list[Row], best: list[Row]) -> Row:
    mean = mean_of_draws([row["loss"] for row in best])
    losses = [row["loss"] for row in trials if row["loss"] is not None]
    line: Row = {
        "loss": mean.mean,
        "loss_sd": mean.sd,
        "loss_low": mean.low,
        "loss_high": mean.high,
        "best_loss": min(losses, default=None),
    }
    for name in other_scores(trials):
        line[name] = mean_of_draws([row[name] for row in best]).mean
    line |= {"chance": trials[0]["chance"], "loss_name": trials[0]["loss_name"]}
    if trials[0]["loss_bound"] is not None:
        line["loss_bound"] = trials[0]["loss_bound"]
    return line


def other_scores(rows: Sequence[Row]) -> list[str]:
    """The names of the task's scores but the loss."""
    return [name for name in rows[0]["scores"] if name != "loss"]


def draws_count(rows: Sequence[Row]) -> int:
    """The number of fresh draws of a point."""
    return len({row["seed"] for row in rows if row["stage"] == search.DRAWS})


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
