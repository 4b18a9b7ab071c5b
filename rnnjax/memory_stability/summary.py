"""What the rows of memory stability say about each shape. Needs no JAX."""

import itertools
from collections.abc import Sequence

import numpy as np

from rnnjax.memory_stability.schema import FRESH
from rnnjax.results import statistics
from rnnjax.results.schema import Row

SHAPE = ("cell", "weights", "input_size", "hidden_size", "layers")
SERIES = ("cell", "layers", "weights")
STATUSES = ("merged", "apart", "diverged")
SAMPLE_RATIO = 1.08  # between neighboring sample steps
MAX_SAMPLES = 400

Series = tuple[str, int, str]


def sample_steps(shared_steps: int) -> np.ndarray:
    """The shared steps at which rows have the distance, int64.

    Every step at first, then 8 % apart; those of a shorter run are a prefix.
    """
    steps = np.floor(SAMPLE_RATIO ** np.arange(MAX_SAMPLES)).astype(np.int64)
    steps = np.unique(steps) - 1
    return steps[steps < shared_steps]


def criteria(rows: Sequence[Row]) -> list[str]:
    """The criteria that rows were measured with, in their order."""
    keys = [key for key in rows[0] if key.startswith("first_")]
    return [key.removeprefix("first_") for key in keys]


def criterion_title(name: str) -> str:
    """A criterion in words."""
    titles = {"identical": "identical outputs", "cosine": "cosine similarity 1"}
    return titles.get(name, f"within {name}")


def shapes(rows: Sequence[Row]) -> list[tuple[tuple, list[Row]]]:
    """The values of `SHAPE` that occur, sorted, each with the rows that have them."""

    def key(row: Row) -> tuple:
        return tuple(row[name] for name in SHAPE)

    groups = itertools.groupby(sorted(rows, key=key), key)
    return [(shape, list(group)) for shape, group in groups]


def series(rows: Sequence[Row]) -> list[Series]:
    """The values of `SERIES` that occur, sorted: what a line of a picture is."""
    return sorted({series_of(row) for row in rows})


def series_of(row: Row) -> Series:
    return row["cell"], row["layers"], row["weights"]


def title(cell: str, layers: int, weights: str = FRESH) -> str:
    """The name of a series, such as "gru x2" or "gru, trained"."""
    name = cell if layers == 1 else f"{cell} x{layers}"
    return name if weights == FRESH else f"{name}, {weights}"


def times(rows: Sequence[Row], key: str) -> statistics.Times:
    """The times `key` of rows of one shape, without the lanes that diverged."""
    sound = [row for row in rows if row["status"] != "diverged"]
    return statistics.censored([row[key] for row in sound], rows[0]["shared_steps"])


def summary(rows: Sequence[Row]) -> list[Row]:
    """One flat line a shape.

    Lanes by status; of each time the fraction of lanes that have one, the median, the
    restricted mean and its interval; the mean of the exponent and of the predicted
    times; the median floor.
    """
    return [_line(shape, lanes) for shape, lanes in shapes(rows)]


def _line(shape: tuple, lanes: list[Row]) -> Row:
    line: Row = dict(zip(SHAPE, shape)) | {"seeds": len(lanes)}
    for status in STATUSES:
        line[status] = sum(row["status"] == status for row in lanes)
    for key in lanes[0]:
        if key.startswith(("first_", "settled_")):
            t = times(lanes, key)
            line |= {f"{key}_fraction": t.fraction, f"{key}_median": t.median}
            mean = t.restricted
            line |= {f"{key}_mean": mean.mean}
            line |= {f"{key}_low": mean.low, f"{key}_high": mean.high}
    for key in lanes[0]:
        if key.startswith("predicted_"):
            line[f"{key}_mean"] = statistics.mean(row[key] for row in lanes).mean
    exponent = statistics.mean(row["lyapunov"] for row in lanes)
    line |= {"lyapunov": exponent.mean, "lyapunov_sd": exponent.sd}
    line |= {"lyapunov_n": exponent.n}
    floors = [row["floor"] for row in lanes if row["floor"] is not None]
    line["floor_median"] = float(np.median(floors)) if floors else None
    return line


def number(value: float) -> str:
    """A time in at most five characters."""
    if value < 10:
        return f"{value:.1f}"
    return f"{value:.0f}" if value < 10_000 else f"{value / 1000:.0f}k"


def entry(lanes: Sequence[Row], name: str) -> str:
    """The merge time by criterion `name` over lanes of one shape, as a table shows it.

    The mean and half of its interval. If lanes are censored, a lower bound of the mean
    and how many are not, as in ">=740 7/10".
    """
    t = times(lanes, f"first_{name}")
    if t.n == 0:
        return "diverged"
    assert t.fraction is not None and t.restricted.mean is not None
    if t.fraction == 0:
        return f">={lanes[0]['shared_steps']}"
    mean = number(t.restricted.mean)
    if t.fraction < 1:
        return f">={mean} {round(t.fraction * t.n)}/{t.n}"
    if t.restricted.high is None:
        return mean
    return f"{mean} ±{number(t.restricted.high - t.restricted.mean)}"
