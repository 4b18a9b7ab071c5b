"""The tables of memory stability. Needs no JAX."""

import itertools
from collections.abc import Sequence

from rnnjax.memory_stability import summary
from rnnjax.results import statistics
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table


def tables(rows: Sequence[Row]) -> list[Table]:
    """One table if each series has one shape, else a table for each and criterion."""
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
        "Mean over seeds ± half of its 95 % interval. >= is a lower bound of the mean, "
        "with how many seeds met the criterion.",
    ]
    return [*content, Table("", [], [], notes)]


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
        exponent = statistics.mean(row["lyapunov"] for row in lanes)
        if exponent.low is None or exponent.mean is None:
            text = lanes[0]["lyapunov_status"]
        else:
            text = f"{exponent.mean:.3f} ±{exponent.mean - exponent.low:.3f}"
        entries = [summary.entry(lanes, name) for name in names]
        name = summary.title(cell, layers, weights)
        lines.append([name, str(size), str(units), *entries, text])
    columns = ["cell", "inputs", "units", *names, "lyapunov"]
    return Table("first shared step", columns, lines)
