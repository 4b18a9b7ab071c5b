"""The tables of docs/results.md on optimization, each from the rows of a run."""

from collections.abc import Sequence

from rnnjax.optimization import summary, tables
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table

Lines = Sequence[Sequence[str]]  # of a table; the first is its header


def methods(rows: list[Row]) -> Lines:
    """What each method reaches, at its defaults and at its best trial."""
    return _lines(tables.tables(rows)[0])


def best(rows: list[Row]) -> Lines:
    """Whether Adam is best, at the defaults and by the number of trials."""
    return _lines(_table(rows, "best?"))


def interaction(rows: list[Row]) -> Lines:
    """What He gains over Glorot under ReLU and under tanh."""
    return _lines(_table(rows, "Glorot"))


def orders(rows: list[Row]) -> Lines:
    """What each optimizer leaves, by the order in which they train one network."""
    return _lines(tables.tables(rows)[0])


def cures(rows: list[Row]) -> Lines:
    """Who solves the task, with the interval, and when."""
    lines = [["", "accuracy, %", "solved", "updates", "samples"]]
    for _, lanes in summary.methods(rows):
        chosen = summary.chosen(lanes)
        part = summary.solved(chosen)
        assert part.mean is not None and part.low is not None and part.high is not None
        count = f"{part.mean * len(chosen):.0f} of {len(chosen)}"
        lines.append(
            [
                tables.name(lanes[0], rows),
                tables.percent(summary.mean([*map(summary.score, chosen)])),
                f"{count} ({100 * part.low:.0f} to {100 * part.high:.0f} %)",
                tables.time(chosen),
                tables.samples(chosen),
            ]
        )
    return lines


def _table(rows: list[Row], title: str) -> Table:
    (found,) = (table for table in tables.tables(rows) if title in table.title)
    return found


def _lines(table: Table) -> Lines:
    return [table.columns, *table.lines]
