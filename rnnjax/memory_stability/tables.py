"""The tables of memory stability. Needs no JAX."""

import itertools
from collections.abc import Sequence

from rnnjax.memory_stability import slopes, summary
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table


def tables(rows: Sequence[Row]) -> list[Table]:
    """One table if each series has one shape, else a table for each and criterion.

    Then what a doubling of units or inputs adds, if there are sizes enough.
    """
    if len(summary.shapes(rows)) == len(summary.series(rows)):
        content = [_by_series(rows)]
    else:
        content = _by_shape(rows)
    counts = {
        status: sum(row["status"] == status for row in rows)
        for status in summary.STATUSES
    }
    numbers = ", ".join(f"{count} {status}" for status, count in counts.items())
    notes = [
        f"{len(rows)} lanes: {numbers}",
        "Median over seeds (its 95 % interval, rounded outward to whole steps). >= is "
        "a lower bound: half of the seeds or more never met the criterion. "
        "4/10: how many did.",
        *_dead(rows),
    ]
    growth = slopes.tables(rows)
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
    by_shape = dict(summary.shapes(rows))
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


def _by_series(rows: Sequence[Row]) -> Table:
    """Cells down; criteria and the exponent across."""
    names, lines = summary.criteria(rows), []
    for (cell, weights, size, units, layers), lanes in summary.shapes(rows):
        text = summary.exponent_entry(lanes)
        entries = [summary.entry(lanes, name) for name in names]
        name = summary.title(cell, layers, weights)
        lines.append([name, str(size), str(units), *entries, text])
    columns = ["cell", "inputs", "units", *names, "lyapunov"]
    return Table("first shared step", columns, lines)
