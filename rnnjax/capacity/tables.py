"""The table that a run of capacity prints, from rows alone. Needs no JAX."""

from collections.abc import Callable, Mapping
from typing import Any

from rnnjax.capacity import growth, summary
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table
from rnnjax.text import contexts

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


COMPACT_BITS: Mapping[str, Column] = {
    **{name: BITS[name] for name in ("budget", "units", "samples")},
    "bits per parameter": lambda line: _with_interval(
        line, "bits_per_parameter", ".2f"
    ),
    "bracketed": BITS["bracketed"],
}
# Keys with a heading of their own in the table of winners.
SHORT = {
    "learning_rate": "rate",
    "weight_decay": "w.decay",
    "momentum": "mom.",
    "kernel_gain": "k.gain",
    "recurrent_gain": "r.gain",
    "readout_gain": "o.gain",
    "keep_bias": "bias",
}


def tables(rows: list[Row]) -> list[Table]:
    """The result at each point and the winning setting of each search; then details."""
    bits = summary.counts_bits(rows)
    every = summary.series(rows)
    names = [summary.title(series, every) for series, _, _ in summary.points(rows)]
    found = summary.summary(rows)

    def table(title: str, columns: Mapping[str, Column], **more: Any) -> Table:
        lines = [
            [name, *(column(line) for column in columns.values())]
            for name, line in zip(names, found)
        ]
        return Table(title, ["cell", *columns], lines, **more)

    if bits:
        what, other, columns, detail = "bits per parameter", "max", COMPACT_BITS, BITS
    else:
        what, other = rows[0]["loss_name"], f"chance {rows[0]['chance']:.3f}"
        columns, detail = _compact_loss(rows), _loss_columns(rows)
    mean = f"{what}: mean of {summary.draws_count(rows)} fresh draws (its interval)"
    return [
        table(mean if bits else f"{mean}; {other}", columns, notes=_notes(rows)),
        _winners(rows),
        table(
            f"{what}: mean of fresh draws, " + ("max of all trials" if bits else other),
            detail,
            detail=True,
        ),
    ]


def _notes(rows: list[Row]) -> list[str]:
    diverged = sum(row["status"] == "diverged" for row in rows)
    return [
        f"{len(rows)} trainings, {diverged} of them diverged. The best of each search "
        f"was trained on {summary.draws_count(rows)} fresh draws.",
        f"Intervals: {summary.intervals(rows)}.",
        *_best(rows),
        *_growth(rows),
        *_failed(rows),
    ]


def _words(line: Row, rows: list[Row]) -> str:
    regret = line["regret"], line["regret_low"], line["regret_high"]
    return contexts.interval(summary.effective_context(regret, rows))


def _best(rows: list[Row]) -> list[str]:
    """The best possible loss, where it is known."""
    if "optimum" not in rows[0]:
        return []
    return [
        f"Regret: loss above the best possible one, {rows[0]['optimum']:.4f}. Context: "
        "words that the best predictor sees with the same loss."
    ]


def _winners(rows: list[Row]) -> Table:
    """What each search chose, of what was searched over: a line a search."""
    every, several = summary.series(rows), len({row["search"] for row in rows}) > 1
    lines = []
    keys = [key for key in summary.CHOSEN if len({row.get(key) for row in rows}) > 1]
    for series, _, trials in summary.points(rows):
        for draws, _ in summary.results(trials):
            name = f"{summary.title(series, every)}, {summary.size(draws[0])}"
            name += f", search {draws[0]['search']}" if several else ""
            lines.append([name, *(_chosen(draws[0].get(key)) for key in keys)])
    columns = ["cell", *(SHORT.get(key, key) for key in keys)]
    note = "winners.txt has the commands that train them again."
    return Table("what each search chose", columns, lines, [note])


def _chosen(value: str | float | None) -> str:
    if isinstance(value, float):
        return f"{value:.2g}"
    return "-" if value is None else str(value)


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
    if "optimum" in rows[0]:
        columns["regret"] = lambda line: _text(line["regret"], ".4f")
        columns["context"] = lambda line: _words(line, rows)
    return columns | {
        "best loss": lambda line: _text(line["best_loss"], ".4f"),
        "trials": lambda line: str(line["trials"]),
    }


def _compact_loss(rows: list[Row]) -> dict[str, Column]:
    every = _loss_columns(rows)
    columns = {name: every[name] for name in every if name not in ("95 %", "trials")}
    del columns["best loss"]
    if "optimum" in rows[0]:  # for which there is no room otherwise
        del columns["parameters"], columns["accuracy"]
    return columns | {"loss": lambda line: _with_interval(line, "loss", ".4f")}


def _score_column(name: str) -> Column:
    return lambda line: _text(line[name], ".3f")


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _with_interval(line: Row, name: str, form: str) -> str:
    """As "1.38 (0.96 to 1.80)"; the mean alone if there is no interval."""
    interval = _interval(line, name, form)
    text = _text(line[name], form)
    return text if interval == "-" else f"{text} ({interval})"


def _interval(line: Row, name: str, form: str) -> str:
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    return "-" if low is None else f"{low:{form}} to {high:{form}}"
