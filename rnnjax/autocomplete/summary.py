"""What is shown of a run, from rows and timings alone. Needs no JAX."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rnnjax.results import statistics
from rnnjax.results.schema import Row

# Keys of which a summary has the mean over seeds, and the standard deviation as `_sd`.
AVERAGED = (
    "test_loss",
    "test_top1",
    "test_top2",
    "test_top3",
    "test_top1_of_all",
    "context_fraction",
    "context_lag",
)
# Measures of the connectivity, of which rows have one value for each number of letters.
CONTEXT = tuple(
    f"{name}{part}"
    for name in ("context_fraction", "context_lag")
    for part in ("", "_low", "_high")
)


class Shape(NamedTuple):
    """What the networks of a group have in common."""

    cell: str
    layers: int
    hidden_size: int


def by_shape(rows: Sequence[Row]) -> list[tuple[Shape, list[Row]]]:
    """Each shape with its rows, sorted by cell, hidden size and layers."""

    def key(row: Row) -> tuple[str, int, int]:
        return row["cell"], row["hidden_size"], row["layers"]

    return [
        (Shape(cell, layers, hidden_size), list(group))
        for (cell, hidden_size, layers), group in itertools.groupby(
            sorted(rows, key=key), key
        )
    ]


def shape_name(shape: Shape, rows: Sequence[Row]) -> str:
    """A name such as "gru x2, 600 units", with the units if rows differ in them."""
    name = shape.cell if shape.layers == 1 else f"{shape.cell} x{shape.layers}"
    sizes = {row["hidden_size"] for row in rows}
    return name if len(sizes) == 1 else f"{name}, {shape.hidden_size} units"


def summary(rows: list[Row]) -> list[Row]:
    """A line for each shape: means and standard deviations over seeds."""
    return [_line(shape, lanes) for shape, lanes in by_shape(rows)]


def _line(shape: Shape, lanes: list[Row]) -> Row:
    first = lanes[0]
    line: Row = {
        "cell": shape.cell,
        "layers": shape.layers,
        "hidden_size": shape.hidden_size,
        "parameters": first["parameters"],
        "classes": first["classes"],
        "updates": first["updates"],
        "seeds": len(lanes),
        "unigram_entropy": first["unigram_entropy"],
    }
    for key in AVERAGED:
        if any(key in row for row in lanes):
            mean = statistics.mean(row.get(key) for row in lanes)
            line |= {key: mean.mean, f"{key}_sd": mean.sd}
    line["diverged"] = sum(row["status"] == "diverged" for row in lanes)
    return line


def has_connectivity(rows: Sequence[Row]) -> bool:
    """Whether the connectivity of any network was computed."""
    return any("context_fraction" in row for row in rows)


def context_by_letters(rows: Sequence[Row]) -> list[Row]:
    """How far back the connectivity reaches, by letters of the word that were read.

    A line for each shape and number of letters, about the shape's first trained seed:
    its name as `cell`, the `letters`, the number of `windows`, and context_fraction
    and context_lag with their intervals. The last number of letters is left out, since
    it stands for longer words too.
    """
    lines: list[Row] = []
    for shape, lanes in by_shape(rows):
        row = next((row for row in lanes if "context_fraction" in row), None)
        if row is None:
            continue
        windows = row["connectivity_windows_by_letters"]
        for letters, count in enumerate(windows[:-1]):
            if count:
                line = {
                    "cell": shape_name(shape, rows),
                    "letters": letters,
                    "windows": count,
                }
                for key in CONTEXT:
                    line[key] = row[f"{key}_by_letters"][letters]
                lines.append(line)
    return lines


def seconds_per_update(
    timings: Sequence[tuple[Mapping[str, Any], Sequence[Row]]], devices: int
) -> dict[Shape, float]:
    """Seconds of an update of one lane, for each shape.

    `timings` are those of `results.rows.read_timings`, from a machine with so many
    devices, each of which trains its lanes of a group one after another.
    """
    seconds = {}
    for timing, lanes in timings:
        ((shape, _),) = by_shape(lanes)
        lanes_per_device = math.ceil(len(lanes) / devices)
        updates = lanes[0]["updates"] * lanes_per_device
        seconds[shape] = timing["run_seconds"] / updates
    return seconds
