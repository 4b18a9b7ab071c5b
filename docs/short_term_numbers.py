"""The tables of docs/results.md on short-term memory, each from the rows of a run."""

import re
from collections.abc import Sequence

from rnnjax.results import statistics
from rnnjax.results.schema import Row
from rnnjax.short_term_memory import recall_summary, tables
from rnnjax.short_term_memory import summary as short_term

Lines = Sequence[Sequence[str]]  # of a table; the first is its header


def shown(m: statistics.Mean, digits: int = 1) -> str:
    """A mean and half of its interval: "7.2 ± 0.1"."""
    assert m.mean is not None and m.low is not None and m.high is not None
    half = max(m.high - m.mean, m.mean - m.low)
    return f"{m.mean:.{digits}f} ± {half:.{digits}f}"


def linear(rows: Sequence[Row]) -> Lines:
    """Capacity from the state, scales across and cells down; below it the rank."""
    scales = sorted({row["input_scale"] for row in rows})
    lines = [["", *(f"{scale:g}" for scale in scales)]]
    for cell in ("rnn_tanh", "gru", "lstm"):
        by_scale = [
            [row for row in rows if (row["cell"], row["input_scale"]) == (cell, scale)]
            for scale in scales
        ]
        for label, key, digits in (
            ("from the state", "capacity_state", 1),
            ("from the output", "capacity_output", 1),
            ("rank of the state", "rank_state", 0),
        ):
            texts = [shown(short_term.mean(x, key), digits) for x in by_scale]
            lines.append([f"`{cell}`, {label}", *texts])
    return lines


def processing(rows: Sequence[Row]) -> Lines:
    """Capacity of all functions, and of each degree."""
    lines = [["", "input scale", "total", *(f"degree {n}" for n in range(1, 6))]]
    for shape, lanes in short_term.shapes(rows):
        degrees = short_term.curve(lanes, "degrees")
        texts = [f"{m.mean:.2f}" for m in degrees] + ["0.00"] * (5 - len(degrees))
        total = shown(short_term.mean(lanes, "processing"), 2)
        lines.append([f"`{shape[0]}`", f"{lanes[0]['input_scale']:g}", total, *texts])
    return lines


def sparse(rows: Sequence[Row]) -> Lines:
    """Recovered lengths, sparsities across."""
    known = short_term.sparsities(rows)
    lines = [["", "numbers of the state", *(f"{n} not 0" for n in known)]]
    for shape, lanes in short_term.shapes(rows):
        texts = [
            tables.length(short_term.lengths(lanes, n), lanes[0]["longest"])
            for n in known
        ]
        lines.append([f"`{shape[0]}`", str(lanes[0]["state_size"]), *texts])
    bracket = re.compile(r"\[(\S+), (.*)\]")
    return [
        [bracket.sub(r"(\1 to \2)", text).replace(">= ", "≥") for text in line]
        for line in lines
    ]


def recall(rows: Sequence[Row]) -> Lines:
    """Accuracy by number of pairs, and in the longest samples."""
    pairs = rows[0]["pairs"]
    last = rows[0]["lengths"][-1]
    header = [
        "",
        "units",
        "state",
        *(f"{n} pair{'s' * (n > 1)}" for n in pairs),
        f"{last} steps",
    ]
    lines = [header]
    for shape, lanes in short_term.shapes(rows):
        means = [m for _, m in recall_summary.by_pairs(lanes)]
        means.append(recall_summary.by_length(lanes)[-1][1])
        sizes = [str(lanes[0][key]) for key in ("hidden_size", "state_size")]
        lines.append([f"`{shape[0]}`", *sizes, *(shown(m, 2) for m in means)])
    return lines
