"""The tables of short-term memory. Needs no JAX."""

import math
from collections.abc import Callable, Sequence

from rnnjax.results.schema import Row
from rnnjax.results.statistics import Mean, Median
from rnnjax.results.tables import Table
from rnnjax.short_term_memory import recall_summary, summary
from rnnjax.short_term_memory.schema import (
    LINEAR,
    PROCESSING,
    RECALL,
    SPARSE,
    UNRESPONSIVE,
)

MEANS = "± is half a 95 % interval of a mean over seeds."


def tables(rows: list[Row]) -> list[Table]:
    """The main table of the measure; for linear memory, a second with the details."""
    return TABLES[summary.measure(rows)](rows)


def _linear(rows: Sequence[Row]) -> list[Table]:
    def line(lanes: Sequence[Row]) -> list[str]:
        state, output = (summary.mean(lanes, f"capacity_{k}") for k in summary.READOUTS)
        rank = summary.mean(lanes, "rank_state").mean
        return [
            str(lanes[0]["state_size"]),
            _entry(state),
            _entry(output),
            "" if rank is None else f"{rank:.0f}",
        ]

    def details(lanes: Sequence[Row]) -> list[str]:
        every = [
            summary.mean(lanes, f"{key}_{readout}")
            for readout in summary.READOUTS
            for key in ("shuffled", "all_delays", "in_sample")
        ]
        return list(map(_entry, every))

    notes = [
        *_counts(rows),
        f"{MEANS} Capacity: sum over delays of the R^2 of the best linear read-out, "
        "held out, of the delays above the threshold of chi^2. It is at most the "
        "number of columns, an estimate of it by chance a little more. Rank: "
        "directions of the state that rounding does not hide.",
    ]
    main = _table(
        "linear memory capacity",
        rows,
        ["columns", "state", "output", "rank"],
        line,
        notes,
    )
    names = ("shuffled", "all delays", "in sample")
    columns = [f"{name}, {kind}" for kind in summary.READOUTS for name in names]
    title = "linear memory by the threshold of shuffled inputs, and without one"
    note = f"{MEANS} All delays, held out, are biased downward; in sample, upward."
    more = _table(title, rows, columns, details, [note], detail=True)
    return [main, more]


def _processing(rows: Sequence[Row]) -> list[Table]:
    most = max(len(row["degrees"]) for row in rows if "degrees" in row)

    def line(lanes: Sequence[Row]) -> list[str]:
        by_degree = summary.curve(lanes, "degrees")
        degrees = [f"{m.mean:.2f}" for m in by_degree]
        return [
            str(lanes[0]["state_size"]),
            _entry(summary.mean(lanes, "processing")),
            *(degrees + [""] * (most - len(degrees))),
        ]

    notes = [
        *_counts(rows),
        f"{MEANS} Capacity: sum of the R^2, held out, of all functions of past inputs "
        "that are above the threshold. It is at most the number of columns, and equal "
        "to it for a network that forgets, with all functions and endless data.",
    ]
    columns = ["columns", "total", *map(str, range(1, most + 1))]
    title = "information processing capacity, and that of the degrees"
    return [_table(title, rows, columns, line, notes)]


def _sparse(rows: Sequence[Row]) -> list[Table]:
    known = summary.sparsities(rows)

    def line(lanes: Sequence[Row]) -> list[str]:
        longest = lanes[0].get("longest", 0)
        found = [summary.lengths(lanes, sparsity) for sparsity in known]
        return [str(lanes[0]["state_size"]), *(length(m, longest) for m in found)]

    notes = [
        *_counts(rows),
        "Longest sequence, in steps, whose inputs the state determines by the least "
        "sum of sizes in 9 of 10 trials: medians over seeds, in brackets 95 % "
        "intervals. >= is a lower bound: nothing longer was tried.",
    ]
    columns = ["columns", *(f"{n} of them not 0" for n in known)]
    title = "recovered lengths of sparse inputs"
    return [_table(title, rows, columns, line, notes)]


def _recall(rows: Sequence[Row]) -> list[Table]:
    first = rows[0]

    def pairs(lanes: Sequence[Row]) -> list[str]:
        means = [m for _, m in recall_summary.by_pairs(lanes)]
        return [str(lanes[0]["state_size"]), *map(_percent, means)]

    def lengths(lanes: Sequence[Row]) -> list[str]:
        return [_percent(m) for _, m in recall_summary.by_length(lanes)]

    values = round(1 / first["chance_accuracy"])
    without = [recall_summary.without_keys(n, values) for n in first["pairs"]]
    notes = [
        *_counts(rows),
        f"Trained on 1 to {first['trained_pairs']} pairs in {first['trained_length']} "
        f"steps for {first['updates']:,} updates at rate {first['learning_rate']:g}, "
        f"which nothing was searched over. {MEANS}",
        f"By chance {100 * first['chance_accuracy']:.0f} % are right; knowing the "
        f"values but not their keys {', '.join(f'{100 * x:.0f}' for x in without)}.",
    ]
    columns = ["state", *map(str, first["pairs"])]
    title = "queries answered right, %, by number of pairs"
    main = _table(title, rows, columns, pairs, notes)
    title = "queries answered right, %, by length"
    longer = _table(title, rows, list(map(str, first["lengths"])), lengths, [MEANS])
    return [main, longer]


TABLES: dict[str, Callable[[Sequence[Row]], list[Table]]] = {
    LINEAR: _linear,
    PROCESSING: _processing,
    SPARSE: _sparse,
    RECALL: _recall,
}


def _table(
    title: str,
    rows: Sequence[Row],
    columns: Sequence[str],
    line: Callable[[Sequence[Row]], list[str]],
    notes: Sequence[str],
    detail: bool = False,
) -> Table:
    """Shapes down, with those of their numbers that vary."""
    numbers, every = summary.varying(rows), summary.series(rows)
    lines = []
    for _, lanes in summary.shapes(rows):
        one = summary.title(summary.series_of(lanes[0]), every)
        values = [lanes[0][name] for name in numbers]
        words = ["" if value is None else f"{value:g}" for value in values]
        lines.append([one, *words, *line(lanes)])
    units = {one[3] for one in every}
    of = f", {units.pop()} units" if len(units) == 1 else ""
    names = [name.replace("_", " ") for name in numbers]
    return Table(title + of, ["cell", *names, *columns], lines, notes, detail)


def _counts(rows: Sequence[Row]) -> list[str]:
    diverged = sum(row["status"] == "diverged" for row in rows)
    beside = f", {diverged} of them diverged" if diverged else ""
    flat = sum(row["status"] == UNRESPONSIVE for row in rows)
    beside += f", {flat} of them do not respond to small inputs" if flat else ""
    return [f"{len(rows)} lanes{beside}"]


def _entry(m: Mean, digits: int = 1) -> str:
    if m.mean is None:
        return "diverged"
    mean = f"{round(m.mean, digits) + 0.0:.{digits}f}"  # never -0.0
    if m.low is None or m.high is None:
        return mean
    return f"{mean} ± {max(m.mean - m.low, m.high - m.mean):.{digits}f}"


def _percent(m: Mean) -> str:
    if m.mean is None or m.low is None or m.high is None:
        return "diverged" if m.mean is None else f"{100 * m.mean:.0f}"
    half = max(m.mean - m.low, m.high - m.mean)
    return f"{100 * m.mean:.0f}±{100 * half:.0f}"


def length(m: Median, longest: int) -> str:
    """A recovered length with its interval; >= where nothing longer was tried."""
    if m.median is None:
        return "none"
    if math.isinf(m.median):
        return f">= {longest}"
    if m.low is None or m.high is None:
        return f"{m.median:g}"
    high = f">= {longest}" if math.isinf(m.high) else f"{math.ceil(m.high)}"
    return f"{m.median:g} [{math.floor(m.low)}, {high}]"
