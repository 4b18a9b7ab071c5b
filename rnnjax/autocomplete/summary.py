"""What is shown of a run, from rows and timings alone. Needs no JAX."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from rnnjax.autocomplete.schema import CONTEXT
from rnnjax.results import statistics
from rnnjax.results.schema import Row
from rnnjax.text import contexts, keys

# Keys of which a summary has the mean over seeds, and what values they may have.
AVERAGED = {
    "test_loss": statistics.NONNEGATIVE,
    "test_top1": statistics.FRACTIONS,
    "test_top2": statistics.FRACTIONS,
    "test_top3": statistics.FRACTIONS,
    "test_top1_of_all": statistics.FRACTIONS,
}
# The values that measures of the connectivity may have, by their unit.
SUPPORTS = {"fraction": statistics.FRACTIONS, "characters": statistics.NONNEGATIVE}


ENDS = ("", "_low", "_high")  # of a mean and its interval


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
    """A line for each shape: means over seeds, 95 % intervals, standard deviations.

    Measures of the connectivity have means and intervals, see `_context`.
    """
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
    for key, support in AVERAGED.items():
        mean = statistics.mean((row[key] for row in lanes), support)
        line |= {key: mean.mean, f"{key}_low": mean.low, f"{key}_high": mean.high}
        line[f"{key}_sd"] = mean.sd
    if has_connectivity(lanes):
        line |= _context(lanes)
    if has_regret(lanes):
        line |= {key: first[key] for key in (*keys.source(), "optimum")}
        line |= _regret(lanes)
    line["diverged"] = sum(row["status"] == "diverged" for row in lanes)
    return line


def has_regret(rows: Sequence[Row]) -> bool:
    """Whether the text is synthetic, so that its best possible loss is known."""
    return any("optimum" in row for row in rows)


def _regret(lanes: Sequence[Row]) -> Row:
    """The regret, and the effective context, of the networks of a shape."""
    line: Row = {f"regret{end}": value for end, value in zip(ENDS, regret(lanes))}
    return line | contexts.summarized(effective_context(lanes))


def regret(lanes: Sequence[Row], letters: int | None = None) -> contexts.Values:
    """The mean regret of networks of one shape and its interval.

    The interval is Student's over the trainings; of one training, it is that of its
    row, over windows. With `letters` it is the regret after so many letters of the
    word.
    """

    def values(end: str) -> list[float | None]:
        trained = [row for row in lanes if "regret" in row]
        if letters is None:
            return [row[f"regret{end}"] for row in trained]
        return [row[f"regret{end}_by_letters"][letters] for row in trained]

    mean = statistics.mean(values(""))
    if mean.n == 1:
        (low,), (high,) = values("_low"), values("_high")
        return mean.mean, low, high
    return mean.mean, mean.low, mean.high


def effective_context(lanes: Sequence[Row]) -> contexts.Values:
    """The effective context of the mean regret, and of both ends of its interval.

    Of one training, the interval is that of its row, over windows. A context that is
    below 0 or above the largest one is infinite.
    """
    trained = [row for row in lanes if "regret" in row]
    if len(trained) == 1 and trained[0]["regret_low"] is not None:
        return contexts.of_line(trained[0])
    known = lanes[0]["contexts"], lanes[0]["context_regrets"]
    return contexts.effective_interval(regret(lanes), *known)


def has_connectivity(rows: Sequence[Row]) -> bool:
    """Whether the connectivity of any network was computed."""
    return any("context_fraction" in row for row in rows)


def context_by_letters(rows: Sequence[Row]) -> list[Row]:
    """How far back the connectivity reaches, by letters of the word that were read.

    A line for each shape and number of letters: the shape's name as `cell`, the
    `letters`, the number of `windows` that have such positions, and what `_context`
    gives. The last number of letters is left out, since it stands for longer words too.
    """
    lines: list[Row] = []
    for shape, lanes in by_shape(rows):
        trained = [row for row in lanes if "context_fraction" in row]
        if not trained:
            continue
        windows = trained[0]["connectivity_windows_by_letters"]
        for letters, count in enumerate(windows[:-1]):
            if count:
                line = {"cell": shape_name(shape, rows), "letters": letters}
                lines.append(line | {"windows": count} | _context(trained, letters))
    return lines


def _context(lanes: Sequence[Row], letters: int | None = None) -> Row:
    """Means over trainings of the measures in `schema.CONTEXT`, with 95 % intervals.

    Intervals are Student's over the `trainings`; with one training, they are those of
    its row, over windows. They end at 0 and, of a fraction, at 1. With `letters` the
    measures are those after so many letters of the word.
    """
    trained = [row for row in lanes if "context_fraction" in row]

    def values(key: str) -> list[float | None]:
        if letters is None:
            return [row[key] for row in trained]
        return [row[f"{key}_by_letters"][letters] for row in trained]

    line: Row = {"trainings": len(trained)}
    for name, (_, unit) in CONTEXT.items():
        support = SUPPORTS[unit]
        mean = statistics.mean(values(name), support)
        low, high = mean.low, mean.high
        if len(trained) == 1:
            (low,), (high,) = values(f"{name}_low"), values(f"{name}_high")
        line[name] = mean.mean
        line[f"{name}_low"] = None if low is None else max(low, support[0])
        line[f"{name}_high"] = None if high is None else min(high, support[1])
    return line


def trainings(rows: Sequence[Row]) -> list[int]:
    """Of each shape, how many networks have a connectivity; without those of none."""
    counts = [
        sum("context_fraction" in row for row in lanes) for _, lanes in by_shape(rows)
    ]
    return [count for count in counts if count]


def networks_text(rows: Sequence[Row]) -> str:
    """What means and their intervals are over, as a table says it."""
    counts = {
        sum(row["status"] == "trained" for row in lanes) for _, lanes in by_shape(rows)
    }
    if counts == {1}:
        return "One network each (one seed), no interval"
    number = " to ".join(map(str, sorted({min(counts), max(counts)})))
    return f"Means of {number} networks, one a seed (Student's 95 % interval over them)"


def interval_text(trainings: Collection[int]) -> str:
    """What intervals of the connectivity are over, given the trainings of each mean."""
    fewest, most = min(trainings), max(trainings)
    if most == 1:
        return "one network each; 95 % intervals over its windows"
    if fewest == most:
        return f"means of {most} trainings with 95 % intervals over trainings"
    some = f"means of {fewest} to {most} trainings with 95 % intervals over trainings"
    return some + (", of one network over its windows" if fewest == 1 else "")


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
