"""What the rows of short-term memory say about each shape. Needs no JAX."""

import itertools
from collections.abc import Sequence

from rnnjax.results import statistics
from rnnjax.results.schema import Row
from rnnjax.results.statistics import Mean
from rnnjax.short_term_memory import recall_summary
from rnnjax.short_term_memory.schema import (
    FRESH,
    LINEAR,
    NUMBERS,
    PROCESSING,
    RECALL,
    SHAPE,
    SPARSE,
)

READOUTS = ("state", "output")
SERIES = ("cell", "weights", "layers", "hidden_size")
# What is averaged over seeds.
AVERAGED = {
    LINEAR: [
        f"{name}_{readout}"
        for readout in READOUTS
        for name in ("capacity", "shuffled", "all_delays", "in_sample", "rank")
    ],
    PROCESSING: ["processing", "functions", "rank_state"],
    SPARSE: [],
    RECALL: [],
}

Series = tuple[str, str, int, int]


def measure(rows: Sequence[Row]) -> str:
    """What was measured; all rows of a run have the same."""
    return rows[0]["measure"]


def shapes(rows: Sequence[Row]) -> list[tuple[tuple, list[Row]]]:
    """The values of `SHAPE` that occur, in order, each with the rows that have them."""

    def key(row: Row) -> tuple:
        return tuple((value is not None, value) for value in map(row.get, SHAPE))

    groups = itertools.groupby(sorted(rows, key=key), key)
    return [(tuple(v for _, v in shape), list(lanes)) for shape, lanes in groups]


def series_of(row: Row) -> Series:
    """What tells the networks of a row from others, numbers and seed apart."""
    cell, weights, layers, units = (row[name] for name in SERIES)
    return cell, weights, layers, units


def series(rows: Sequence[Row]) -> list[Series]:
    return sorted({series_of(row) for row in rows})


def title(one: Series, every: Sequence[Series] = ()) -> str:
    """A series in words; weights and units that all of `every` share are left out."""
    cell, weights, layers, units = one
    kinds, sizes = ({other[k] for other in every} for k in (1, 3))
    words = [cell] + [f"{layers} layers"] * (layers > 1)
    words += [weights] * (weights != FRESH and len(kinds) != 1)
    words += [f"{units} units"] * (len(sizes) != 1)
    return ", ".join(words)


def varying(rows: Sequence[Row]) -> list[str]:
    """The `NUMBERS` that have several values in some series."""
    found: dict[Series, list[Row]] = {}
    for row in rows:
        found.setdefault(series_of(row), []).append(row)
    return [
        name
        for name in NUMBERS
        if any(len({row[name] for row in lanes}) > 1 for lanes in found.values())
    ]


def mean(rows: Sequence[Row], key: str) -> Mean:
    """The mean of a key over the lanes that did not diverge.

    Held-out sums may be below 0 and above their bounds, and so may their intervals.
    """
    return statistics.mean(row.get(key) for row in rows)


def curve(rows: Sequence[Row], key: str) -> list[Mean]:
    """The mean over lanes of each entry of a list; of shorter lists it is 0."""
    lists = [row[key] for row in rows if row.get(key) is not None]
    longest = max(map(len, lists), default=0)
    padded = [[*some, *[0.0] * (longest - len(some))] for some in lists]
    return [statistics.mean(values) for values in zip(*padded)]


def sparsities(rows: Sequence[Row]) -> list[int]:
    """The sparsities that were measured; none unless that was the measure."""
    keys = {key for row in rows for key in row if key.startswith("recovered_")}
    return sorted(int(key.removeprefix("recovered_")) for key in keys)


def lengths(rows: Sequence[Row], sparsity: int) -> statistics.Median:
    """The median recoverable length; infinite where it is the longest tried or more."""
    found = [
        float("inf") if row[f"length_{sparsity}"] == row["longest"] else length
        for row in rows
        if (length := row.get(f"length_{sparsity}")) is not None
    ]
    return statistics.median(found)


def summary(rows: list[Row]) -> list[Row]:
    """One flat line a shape."""
    lines = []
    for shape, lanes in shapes(rows):
        diverged = sum(row["status"] == "diverged" for row in lanes)
        line: Row = {"measure": measure(rows), **dict(zip(SHAPE, shape))}
        line |= {"seeds": len(lanes), "diverged": diverged}
        line["state_size"] = lanes[0]["state_size"]
        for key in AVERAGED.get(measure(rows), ()):
            m = mean(lanes, key)
            line |= {key: m.mean, f"{key}_low": m.low, f"{key}_high": m.high}
        if measure(rows) == PROCESSING:
            for degree, m in enumerate(curve(lanes, "degrees"), start=1):
                line[f"degree_{degree}"] = m.mean
                line[f"degree_{degree}_low"], line[f"degree_{degree}_high"] = (
                    m.low,
                    m.high,
                )
        if measure(rows) == RECALL:
            line |= recall_summary.line(lanes)
        for sparsity in sparsities(lanes):
            found = lengths(lanes, sparsity)
            for name in ("median", "low", "high"):
                value = getattr(found, name)
                known = None if value in (None, float("inf")) else value
                line[f"length_{sparsity}_{name}"] = known
        lines.append(line)
    return lines
