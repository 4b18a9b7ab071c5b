"""The tables of memory stability. Needs no JAX."""

import dataclasses
import itertools
from collections.abc import Sequence

from rnnjax.memory_stability import slopes, summary
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table

MAX_LINES = 30  # of the compact table
MAX_DETAIL = 100  # of the table of all criteria


def tables(rows: Sequence[Row]) -> list[Table]:
    """Merge times by the headline criterion; then, as details, everything.

    The details are merge times by all criteria and what a doubling of units or inputs
    adds, if sizes are enough. If sizes are crossed there is a table for each series and
    criterion, else a line for each shape.
    """
    numbers, shapes = summary.varying(rows), summary.shapes(rows)
    name = summary.headline(rows)
    notes: list[str] = []
    several = len(shapes) > len(summary.series(rows))
    if several and not numbers and summary.is_grid(rows):
        main, details = _medians(rows, name), _by_shape(rows)
    else:
        main = _lines(shapes[:MAX_LINES], [name], numbers)
        every = summary.criteria(rows)
        details = [_lines(shapes[:MAX_DETAIL], every, numbers, detail=True)]
        if len(shapes) > MAX_LINES:
            shown = f"The first {MAX_LINES} of {len(shapes)} shapes"
            notes.append(f"{shown}; summary.csv has all.")
    growth = [] if numbers else slopes.tables(rows)
    if growth:
        notes += slopes.notes(rows, name)
    notes += [*_counts(rows), *_dead(rows)]
    return [dataclasses.replace(main, notes=notes), *details, *growth]


def _counts(rows: Sequence[Row]) -> list[str]:
    """How lanes ended, and what the numbers are."""
    counts = {
        status: sum(row["status"] == status for row in rows)
        for status in summary.STATUSES
    }
    numbered = ", ".join(f"{count} {status}" for status, count in counts.items())
    return [
        f"{len(rows)} lanes: {numbered}",
        f"Medians over {summary.seeds(rows)}; in brackets 95 % intervals, rounded "
        "outward to whole steps. >= is a lower bound: half of the seeds or more never "
        "met the criterion. 4/10: how many did; *: not all did.",
    ]


def _dead(rows: Sequence[Row]) -> list[str]:
    """How many exponents are minus infinity, if any."""
    e = summary.exponent(rows)
    if not e.dead:
        return []
    return [
        f"{e.dead} of {e.lanes} lanes are dead: every disturbance became exactly 0, "
        "and their exponent counts as minus infinity."
    ]


def _medians(rows: Sequence[Row], name: str) -> Table:
    """The medians by one criterion: series and input sizes down, units across."""
    inputs = sorted({row["input_size"] for row in rows})
    units = sorted({row["hidden_size"] for row in rows})
    by_shape = {shape[:5]: lanes for shape, lanes in summary.shapes(rows)}
    every, lines = summary.series(rows), []
    for (cell, layers, weights), size in itertools.product(every, inputs):
        cells = [by_shape.get((cell, weights, size, n, layers)) for n in units]
        texts = [summary.short_entry(lanes, name) if lanes else "" for lanes in cells]
        one = [summary.title(cell, layers, weights)] if len(every) > 1 else []
        if any(texts):
            lines.append([", ".join([*one, str(size)]), *texts])
    of = f"{summary.title(*every[0])}: " if len(every) == 1 else ""
    title = f"{of}first shared step, {summary.criterion_title(name)}"
    return Table(title, ["inputs \\ units", *map(str, units)], lines)


def _by_shape(rows: Sequence[Row]) -> list[Table]:
    """For each series and criterion: input sizes down, units across."""
    inputs = sorted({row["input_size"] for row in rows})
    units = sorted({row["hidden_size"] for row in rows})
    by_shape = {shape[:5]: lanes for shape, lanes in summary.shapes(rows)}
    out = []
    for one, name in itertools.product(summary.series(rows), summary.criteria(rows)):
        cell, layers, weights = one
        lines = []
        for size in inputs:
            cells = [by_shape.get((cell, weights, size, n, layers)) for n in units]
            texts = [summary.entry(lanes, name) if lanes else "" for lanes in cells]
            lines.append([str(size), *texts])
        what = f"first shared step, {summary.criterion_title(name)}"
        columns = ["input \\ units", *map(str, units)]
        title = f"{summary.title(*one)}: {what}"
        out.append(Table(title, columns, lines, detail=True))
    return out


def _lines(
    shapes: Sequence[tuple[tuple, list[Row]]],
    criteria: Sequence[str],
    numbers: Sequence[str],
    detail: bool = False,
) -> Table:
    """Shapes down; criteria and the exponent across. What all share is in the title."""
    every = [lanes[0] for _, lanes in shapes]
    sizes = {"inputs": "input_size", "units": "hidden_size"}
    varying = {k: v for k, v in sizes.items() if len({row[v] for row in every}) > 1}
    lines = []
    for (cell, weights, _, _, layers, *_), lanes in shapes:
        values = [lanes[0][name] for name in numbers]
        lines.append(
            [
                summary.title(cell, layers, weights),
                *(str(lanes[0][key]) for key in varying.values()),
                *("" if value is None else f"{value:g}" for value in values),
                *(summary.entry(lanes, name) for name in criteria),
                summary.exponent_entry(lanes),
            ]
        )
    names = [name.replace("_", " ") for name in numbers]
    columns = ["cell", *varying, *names, *criteria, "lyapunov"]
    shared = [f"{every[0][v]} {k}" for k, v in sizes.items() if k not in varying]
    what = [summary.criterion_title(name) for name in criteria] * (not detail)
    title = ", ".join(["first shared step", *what, *shared])
    return Table(title, columns, lines, detail=detail)
