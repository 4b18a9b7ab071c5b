"""The tables of memory stability on the terminal."""

import itertools

from benchmarks.common import terminal as _terminal
from rnnjax.figures import memory_stability as figures
from rnnjax.results import statistics


def show(rows: list[dict], path) -> None:
    """Prints what a run of memory stability found: a line a cell if each has one shape, else a table a criterion."""
    if len(figures.shapes(rows)) == len(figures.series(rows)):
        _by_cell(rows)
    else:
        _by_shape(
            rows,
            *(
                sorted({row[key] for row in rows})
                for key in ("input_size", "hidden_size")
            ),
        )
    counts = {
        status: sum(row["status"] == status for row in rows)
        for status in ("merged", "apart", "diverged")
    }
    print(
        f"{len(rows)} lanes: "
        + ", ".join(f"{count} {status}" for status, count in counts.items())
    )
    print(
        "Mean over seeds ± half of its 95 % interval; >= with a share: only so many seeds met it, a bound of the mean."
    )
    print(f"Rows, summary and pictures: {path}")


def _by_shape(rows: list[dict], inputs: list[int], units: list[int]) -> None:
    """A table for each cell and criterion: input sizes down, units across."""
    by_shape = dict(figures.shapes(rows))
    for (cell, layers), name in itertools.product(
        figures.series(rows), figures.criteria(rows)
    ):
        here = [
            [by_shape.get((cell, input_size, n, layers)) for n in units]
            for input_size in inputs
        ]
        lines = [
            [str(i), *(figures.entry(lanes, name) if lanes else "" for lanes in line)]
            for i, line in zip(inputs, here)
        ]
        title = f"{figures.title(cell, layers)}: first shared step, {figures.LABELS.get(name, f'within {name}')}"
        _terminal.table(title, ["input \\ units", *map(str, units)], lines)


def _by_cell(rows: list[dict]) -> None:
    """One table: cells down, criteria and the exponent across."""
    names, lines = figures.criteria(rows), []
    for (cell, input_size, units, layers), group in figures.shapes(rows):
        exponent = statistics.mean(row["lyapunov"] for row in group)
        text = (
            f"{exponent.mean:.3f} ±{exponent.mean - exponent.low:.3f}"
            if exponent.sd is not None
            else group[0]["lyapunov_status"]
        )
        entries = [figures.entry(group, name) for name in names]
        lines.append(
            [figures.title(cell, layers), str(input_size), str(units), *entries, text]
        )
    _terminal.table(
        "first shared step", ["cell", "inputs", "units", *names, "lyapunov"], lines
    )
