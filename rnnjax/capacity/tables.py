"""The table that a run of capacity prints, from rows alone. Needs no JAX."""

from collections.abc import Callable, Mapping

from rnnjax.capacity import growth, summary
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table

Column = Callable[[Row], str]

BITS: Mapping[str, Column] = {
    "budget": lambda line: str(line["budget"]),
    "parameters": lambda line: str(line["parameters"]),
    "units": lambda line: str(line["hidden_size"]),
    "samples": lambda line: _text(line["samples"], "d"),
    "bits per parameter": lambda line: _text(line["bits_per_parameter"], ".2f"),
    "95 %": lambda line: _interval(line, "bits_per_parameter", ".2f"),
    "bracketed": lambda line: _bracketed(line),
    "max": lambda line: _text(line["max_bits_per_parameter"], ".2f"),
    "trials": lambda line: str(line["trials"]),
}


def tables(rows: list[Row]) -> list[Table]:
    """A line for each cell, depth and budget, and notes on what was searched."""
    columns: Mapping[str, Column] = BITS
    title = "bits per parameter: mean of fresh draws, max of all trials"
    if not summary.counts_bits(rows):
        columns = _loss_columns(rows)
        chance = f"(chance {rows[0]['chance']:.3f})"
        title = f"{rows[0]['loss_name']}: mean of fresh draws {chance}"
    every = summary.series(rows)
    names = [summary.title(series, every) for series, _, _ in summary.points(rows)]
    lines = [
        [name, *(column(line) for column in columns.values())]
        for name, line in zip(names, summary.summary(rows))
    ]
    diverged = sum(row["status"] == "diverged" for row in rows)
    notes = [
        f"{len(rows)} trainings, {diverged} of them diverged. The best of each search "
        f"was trained on {summary.draws_count(rows)} fresh draws.",
        f"Intervals: {summary.intervals(rows)}.",
        *_growth(rows),
        *_failed(rows),
    ]
    return [Table(title, ["cell", *columns], lines, notes)]


def _growth(rows: list[Row]) -> list[str]:
    """How bits grow with parameters, a note for each series with enough budgets."""
    every = summary.series(rows)
    found = {line: summary.growth_of(rows, line) for line in every}
    return [
        f"{summary.title(line, every)}: {growth.sentence(fit)}: bits grow "
        f"{growth.shape(fit.exponent)} to parameters (one point a search)."
        for line, fit in found.items()
        if fit
    ]


def _failed(rows: list[Row]) -> list[str]:
    """How many trainings of the first rung failed, a note for each series."""
    notes, every = [], summary.series(rows)
    for line in every:
        part = summary.failed([r for r in rows if summary.series_of(r) == line])
        if part and part.mean:
            notes.append(
                f"{summary.title(line, every)}: {part.mean:.1%} of {part.n} trainings "
                f"of the first rung failed ({part.low:.1%} to {part.high:.1%}): they "
                "diverged or ended no better than chance."
            )
    return notes


def _bracketed(line: Row) -> str:
    if line["searches"] > 1:
        return f"{line['bracketed']} of {line['searches']}"
    return "yes" if line["bracketed"] else "no"


def _loss_columns(rows: list[Row]) -> dict[str, Column]:
    columns: dict[str, Column] = {
        "units": lambda line: str(line["hidden_size"]),
        "parameters": lambda line: str(line["parameters"]),
        "loss": lambda line: _text(line["loss"], ".4f"),
        "95 %": lambda line: _interval(line, "loss", ".4f"),
    }
    if rows[0]["loss_bound"] is not None:
        columns["bound"] = lambda line: _text(line["loss_bound"], ".3f")
    for name in summary.other_scores(rows):
        columns[name] = _score_column(name)
    return columns | {
        "best loss": lambda line: _text(line["best_loss"], ".4f"),
        "trials": lambda line: str(line["trials"]),
    }


def _score_column(name: str) -> Column:
    return lambda line: _text(line[name], ".3f")


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _interval(line: Row, name: str, form: str) -> str:
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    return "-" if low is None else f"{low:{form}} to {high:{form}}"
