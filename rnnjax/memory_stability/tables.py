"""The tables of memory stability. Needs no JAX."""

import itertools
from collections.abc import Sequence

from rnnjax.memory_stability import slopes, summary
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table

MAX_LINES = 100  # of the table over numbers such as keep_bias


def tables(rows: Sequence[Row]) -> list[Table]:
    """Merge times; then what a doubling of units or inputs adds, if sizes are enough.

    One table with a line for each shape, if each series has one shape or numbers such
    as `keep_bias` have several values. Else a table for each series and criterion.
    """
    numbers, shapes = summary.varying(rows), summary.shapes(rows)
    notes = []
    if numbers or len(shapes) == len(summary.series(rows)):
        content = [_lines(shapes[:MAX_LINES], summary.criteria(rows), numbers)]
        if len(shapes) > MAX_LINES:
            shown = f"The first {MAX_LINES} of {len(shapes)} shapes"
            notes.append(f"{shown}; summary.csv has all.")
    else:
        content = _by_shape(rows)
    counts = {
        status: sum(row["status"] == status for row in rows)
        for status in summary.STATUSES
    }
    numbered = ", ".join(f"{count} {status}" for status, count in counts.items())
    notes += [
        f"{len(rows)} lanes: {numbered}",
        "Median over seeds (its 95 % interval, rounded outward to whole steps). >= is "
        "a lower bound: half of the seeds or more never met the criterion. "
        "4/10: how many did.",
        *_dead(rows),
    ]
    growth = [] if numbers else slopes.tables(rows)
    if growth:
        notes.append(slopes.NOTE)
    return [*content, *growth, Table("", [], [], notes)]


def _dead(rows: Sequence[Row]) -> list[str]:
    """How many exponents are minus infinity, if any."""
    e = summary.exponent(rows)
    if not e.dead:
        return []
    return [
        f"{e.dead} of {e.lanes} lanes are dead: every disturbance became exactly 0, "
        "and their exponent counts as minus infinity."
    ]


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
        out.append(Table(f"{summary.title(*one)}: {what}", columns, lines))
    return out


def _lines(
    shapes: Sequence[tuple[tuple, list[Row]]],
    criteria: Sequence[str],
    numbers: Sequence[str],
) -> Table:
    """Shapes down; criteria and the exponent across."""
    lines = []
    for (cell, weights, size, units, layers, *_), lanes in shapes:
        values = [lanes[0][name] for name in numbers]
        lines.append(
            [
                summary.title(cell, layers, weights),
                *(str(size), str(units)),
                *("" if value is None else f"{value:g}" for value in values),
                *(summary.entry(lanes, name) for name in criteria),
                summary.exponent_entry(lanes),
            ]
        )
    names = [name.replace("_", " ") for name in numbers]
    columns = ["cell", "inputs", "units", *names, *criteria, "lyapunov"]
    return Table("first shared step", columns, lines)
