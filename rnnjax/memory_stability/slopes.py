"""How memory grows with the number of units and of inputs. Needs no JAX.

A slope is the growth of a merge time, or of the largest Lyapunov exponent, with each
doubling of a size: of the line over log2(size), by least squares. Shapes share their
seeds, so the slope is computed for each seed, and its mean and Student's interval are
over seeds.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from rnnjax.memory_stability import summary
from rnnjax.results import statistics
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table

MIN_UNITS = 16  # smaller networks grow differently, and are left out
MIN_SIZES = 3  # of a line
OTHER = {"hidden_size": "input_size", "input_size": "hidden_size"}
NAMES = {"hidden_size": "units", "input_size": "inputs"}
EXPONENT = "lyapunov"
NOTE = (
    f"Growth: slope over log2(size) of networks of {MIN_UNITS} units or more, for each "
    "seed; mean ± half of its 95 % interval. Times in steps, exponents in nats a step."
)


@dataclasses.dataclass(frozen=True)
class Slope:
    """The growth of a quantity with each doubling of a size, over seeds.

    Attributes:
      series: cell, layers and weights.
      quantity: `first_<criterion>` in steps, or `lyapunov` in nats a step.
      size: what is doubled, `hidden_size` or `input_size`.
      at: the other size; None for the mean over all of them.
      slope: over seeds; without values if the status is not `ok`.
      status: `ok`; `censored` if a lane never met the criterion, `dead` if the exponent
        of one is minus infinity, `short` if one is too short for an exponent, or
        `diverged`.
    """

    series: summary.Series
    quantity: str
    size: str
    at: int | None
    slope: statistics.Mean
    status: str


def slopes(rows: Sequence[Row]) -> list[Slope]:
    """All slopes that the sizes of a run allow: networks of 16 units and more alone."""
    large = [row for row in rows if row["hidden_size"] >= MIN_UNITS]
    out = []
    for series in summary.series(large):
        lanes = [row for row in large if summary.series_of(row) == series]
        for size, other in OTHER.items():
            sizes: dict[int, set[int]] = {}
            for row in lanes:
                sizes.setdefault(row[other], set()).add(row[size])
            others = [n for n in sorted(sizes) if len(sizes[n]) >= MIN_SIZES]
            for at in [None, *others] if len(others) > 1 else others:
                at_these = others if at is None else [at]
                some = [row for row in lanes if row[other] in at_these]
                for quantity in quantities(rows):
                    found = _slope(some, quantity, size)
                    out.append(Slope(series, quantity, size, at, *found))
    return out


def criteria(rows: Sequence[Row]) -> list[str]:
    """The criteria whose times have slopes.

    Times until outputs are identical measure rounding. They grow over orders of
    magnitude, so that Student's interval of their mean slope would be too narrow.
    """
    return [name for name in summary.criteria(rows) if name != "identical"]


def quantities(rows: Sequence[Row]) -> list[str]:
    """What slopes are of: the times by each criterion, and the largest exponent."""
    return [*(f"first_{name}" for name in criteria(rows)), EXPONENT]


def _slope(
    lanes: Sequence[Row], quantity: str, size: str
) -> tuple[statistics.Mean, str]:
    """The slope over seeds, and its status."""
    lost = [
        row for row in lanes if row[quantity] is None or row["status"] == "diverged"
    ]
    if lost:
        return statistics.mean([]), _reason(lost, quantity)
    values: dict[int, dict[int, list[tuple[float, float]]]] = {}
    for row in lanes:
        of_seed = values.setdefault(row["seed"], {})
        point = (np.log2(row[size]), row[quantity])
        of_seed.setdefault(row[OTHER[size]], []).append(point)
    by_seed = [np.mean([_line(p) for p in v.values()]) for v in values.values()]
    return statistics.mean(map(float, by_seed)), "ok"


def _reason(lost: Sequence[Row], quantity: str) -> str:
    if any(row["status"] == "diverged" for row in lost):
        return "diverged"
    return lost[0]["lyapunov_status"] if quantity == EXPONENT else "censored"


def _line(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line through points (x, y) with the least squares."""
    x, y = np.transpose(points)
    return float(np.polyfit(x, y, 1)[0])


def table_rows(found: Sequence[Slope]) -> list[Row]:
    """One flat line a slope, as in `slopes.csv`."""
    lines = []
    for one in found:
        cell, layers, weights = one.series
        line: Row = {"cell": cell, "layers": layers, "weights": weights}
        line |= {"quantity": one.quantity, "doubled": NAMES[one.size]}
        line |= {NAMES[OTHER[one.size]]: one.at, "seeds": one.slope.n}
        line |= {"slope": one.slope.mean, "low": one.slope.low, "high": one.slope.high}
        lines.append(line | {"status": one.status})
    return lines


def tables(rows: Sequence[Row]) -> list[Table]:
    """For each series what a doubling adds: sizes down, quantities across."""
    by_series: dict[summary.Series, dict[tuple, list[Slope]]] = {}
    for one in slopes(rows):
        of_series = by_series.setdefault(one.series, {})
        of_series.setdefault((one.size, one.at), []).append(one)
    columns = ["a doubling of", *criteria(rows), EXPONENT]
    out = []
    for series, found in by_series.items():
        lines = [
            [f"{NAMES[size]}, {level(size, at)}", *map(text, line)]
            for (size, at), line in found.items()
        ]
        title = f"{summary.title(*series)}: growth with each doubling"
        out.append(Table(title, columns, lines, [NOTE], detail=True))
    return out


def notes(rows: Sequence[Row], name: str) -> list[str]:
    """What a doubling adds to the times by one criterion, a note for each series."""
    by_series: dict[summary.Series, list[str]] = {}
    sizes: set[tuple[summary.Series, str]] = set()
    for one in slopes(rows):
        if one.quantity == f"first_{name}" and (one.series, one.size) not in sizes:
            sizes.add((one.series, one.size))  # the first is over all other sizes
            words = f"{text(one)} a doubling of {NAMES[one.size]}"
            by_series.setdefault(one.series, []).append(words)
    return [
        f"{summary.title(*series)}, steps {summary.criterion_title(name)}: "
        f"{', '.join(words)} (± half of a 95 % interval; from {MIN_UNITS} units on)."
        for series, words in by_series.items()
    ]


def level(size: str, at: int | None) -> str:
    """Where a slope is measured, such as "16 inputs" or "all inputs"."""
    name = NAMES[OTHER[size]]
    return f"{'all' if at is None else at} {name[:-1] if at == 1 else name}"


def text(one: Slope) -> str:
    """A slope, as in "+1.5 ± 0.5"; why there is none, such as "censored"."""
    if one.slope.mean is None:
        return one.status
    mean = one.slope.mean
    digits = 4 if one.quantity == EXPONENT else 2 if abs(mean) < 100 else 0
    value = f"{round(mean, digits) + 0.0:+.{digits}f}"  # no "-0.00"
    if one.slope.high is None:
        return value
    return f"{value} ± {one.slope.high - mean:.{digits}f}"
