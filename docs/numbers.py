"""The tables and stated numbers of docs/results.md, from rows in docs/data.

A table stands after a line `<!-- table: NAME -->`. A test compares the tables, and
looks for every phrase of `phrases` in the page. So a number changes only with the rows
that it was computed from.
"""

import functools
import re
from collections.abc import Callable, Sequence

import numpy as np

from docs import optimization_numbers, short_term_numbers
from docs.kept import DATA, SWITCHES, VERDICTS
from rnnjax.autocomplete import summary as autocomplete
from rnnjax.capacity import search
from rnnjax.capacity import summary as capacity
from rnnjax.memory_stability import slopes, summary
from rnnjax.results import rows, statistics
from rnnjax.results.schema import Row
from rnnjax.text import contexts

TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n\n)((?:\|.*\n)*)")
ENDS = ("", "_low", "_high")  # of a mean and its interval
SLOPE_LEVELS = {"hidden_size": (None, 1, 16, 128), "input_size": (None, 16, 32, 128)}

Lines = Sequence[Sequence[str]]  # of a table; the first is its header


@functools.cache
def read(name: str) -> list[Row]:
    """The rows of a folder of docs/data."""
    return rows.read_rows(DATA / name)


def cell_rows(name: str, cell: str) -> list[Row]:
    return [row for row in read(name) if row["cell"] == cell]


# Memory stability.


def merge_time(lanes: Sequence[Row], key: str) -> str:
    """A median and its interval: "39 (35 to 44)"; how many lanes have a time."""
    text = summary.entry(lanes, key).replace(">=", "≥")
    return re.sub(r" (\d+)/(\d+)( \(.*\))?", r"\3, \1 of \2", text)


def identical() -> Lines:
    arithmetics = {
        name: {
            units: [
                row
                for row in read(name)
                if (row["input_size"], row["hidden_size"]) == (1, units)
            ]
            for units in sorted({row["hidden_size"] for row in read(name)})
        }
        for name in ("lstm", "lstm-float64")
    }
    single, double = arithmetics.values()
    lines = [["units", "float32, identical", "float64, identical", "both, within 1e-4"]]
    for units in single:
        within = {merge_time(lanes[units], "1e-4") for lanes in (single, double)}
        assert len(within) == 1
        times = (merge_time(lanes[units], "identical") for lanes in (single, double))
        lines.append([str(units), *times, *within])
    return lines


def slope_table(size: str) -> Lines:
    found = {
        (one.series[0], one.quantity, one.at): one
        for one in slopes.slopes(read("slopes"))
        if one.size == size
    }
    levels = SLOPE_LEVELS[size]
    other = slopes.NAMES[slopes.OTHER[size]]
    count = len({row[slopes.OTHER[size]] for row in read("slopes")})
    every = {"inputs": f"all {count} input sizes", "units": f"all {count} sizes"}[other]
    lines = [["", every, *(slopes.level(size, at) for at in levels[1:])]]
    for cell in ("lstm", "gru"):
        for quantity in ("first_1e-4", "first_1e-6", slopes.EXPONENT):
            name = quantity.replace("first_", "within ")
            label = f"{cell.upper()}, {name.replace(slopes.EXPONENT, 'exponent')}"
            texts = [slopes.text(found[cell, quantity, at]) for at in levels]
            lines.append([label, *texts])
    return lines


def cells() -> Lines:
    entries = []
    for cell in {row["cell"] for row in read("cells")}:
        lanes = cell_rows("cells", cell)
        time = summary.times(lanes, "first_1e-4").median.median
        texts = [merge_time(lanes, "1e-4"), summary.exponent_entry(lanes)]
        entries.append((time, cell, [f"`{cell}`", *texts]))
    ordered = [entry for *_, entry in sorted(entries)]
    half = -(-len(ordered) // 2)
    header = ["cell", "within 1e-4", "exponent"]
    lines = [[*header, "", *header]]
    for k in range(half):
        right = ordered[k + half] if k + half < len(ordered) else ["", "", ""]
        lines.append([*ordered[k], "", *right])
    return lines


def _within(lanes: Sequence[Row], key: str = "first_1e-4") -> list[float]:
    """The medians over seeds of each shape, sorted."""
    medians = [summary.times(x, key).median.median for _, x in summary.shapes(lanes)]
    assert None not in medians
    return sorted(m for m in medians if m is not None)


def within_tolerance() -> str:
    """Least and largest median of LSTMs of 128 units: "37 to 42.5"."""
    fast, *_, slow = _within([row for row in read("lstm") if row["hidden_size"] == 128])
    return f"{summary.steps(fast)} to {summary.steps(slow)}"


def cell_time(cell: str) -> str:
    """As "2,230 (564 to 3,507; 9 of 10 did)"."""
    text = merge_time(cell_rows("cells", cell), "1e-4")
    return re.sub(r"\), (.*)", r"; \1 did)", text)


def stability_phrases() -> list[str]:
    largest = [row for row in read("lstm") if row["hidden_size"] == 128]
    never = [
        summary.times(lanes, "first_identical").fraction
        for _, lanes in summary.shapes(largest)
    ]
    assert {(f.mean, f.n) for f in never} == {(0.0, 10)} and never[0].high is not None
    dead = summary.exponent(cell_rows("dead", "irnn"))
    return [
        f"0 of 10 LSTMs (0 to {100 * never[0].high:.0f} %)",
        f"{within_tolerance()} steps in the median",
        f"1 input and 16 units, {dead.dead} of {dead.lanes} are",
    ]


# Capacity.


def percent(part: statistics.Mean) -> str:
    """A fraction with Wilson's interval: "12.5 % (7.8 to 19.4)"."""
    assert part.mean is not None and part.low is not None and part.high is not None
    value, low, high = (f"{100 * x:.1f}" for x in (part.mean, part.low, part.high))
    return f"{value} % ({low} to {high})"


def interval(mean: statistics.Mean, digits: int) -> str:
    """A mean and its interval: "2.73 (2.50 to 2.96)"."""
    assert mean.mean is not None and mean.low is not None and mean.high is not None
    value, low, high = (f"{x:.{digits}f}" for x in (mean.mean, mean.low, mean.high))
    return f"{value} ({low} to {high})"


def search_results() -> Lines:
    lines = [["search", "bits per parameter", "samples", "bracketed", "best training"]]
    for index in sorted({row["search"] for row in read("searches")}):
        trainings = [row for row in read("searches") if row["search"] == index]
        draws, bracketed = capacity.results(trainings)[0]
        mean = statistics.mean(map(capacity.bits_per_parameter, draws))
        known = [capacity.bits_per_parameter(row) for row in trainings]
        best = max(bits for bits in known if bits is not None)
        samples, answer = f"{draws[0]['samples']:,}", "yes" if bracketed else "no"
        lines.append([str(index), interval(mean, 2), samples, answer, f"{best:.2f}"])
    return lines


def growth_results() -> Lines:
    header = ["parameters", "units", "samples", "bits per parameter", "bracketed"]
    lines = [[*header, "best training"]]
    for line in capacity.summary(read("growth")):
        mean = ends_of(line, "bits_per_parameter", 2)
        counts = (f"{line[key]:,}" for key in ("parameters", "hidden_size", "samples"))
        answer = "yes" if line["bracketed"] else "no"
        best = f"{line['max_bits_per_parameter']:.2f}"
        lines.append([*counts, mean, answer, best])
    return lines


def failures() -> Lines:
    lines = [["cell", "parameters", "trainings", "diverged", "failed"]]
    for cell in ("rnn_tanh", "irnn", "gru", "lstm"):
        trainings = cell_rows("failed", cell)
        failed = capacity.failed(trainings)
        assert failed is not None
        first = [row for row in trainings if row["stage"] == search.FIRST_RUNG]
        diverged = sum(row["status"] == "diverged" for row in first)
        texts = map(percent, (statistics.fraction(diverged, len(first)), failed))
        parameters = f"{trainings[0]['parameters']:,}"
        lines.append([f"`{cell}`", parameters, str(len(first)), *texts])
    return lines


def capacity_phrases() -> list[str]:
    (line,) = capacity.summary(read("searches"))
    mean, low, high, sd = (
        line[f"bits_per_parameter{end}"] for end in ("", "_low", "_high", "_sd")
    )
    return [
        f"{mean:.2f} bits per parameter ({low:.2f} to {high:.2f}",
        f"over {line['searches']} searches",
        f"standard deviation of the searches is {sd:.2f}",
        f"networks of {line['parameters']} parameters",
        f"At {line['parameters']} parameters they hold {mean:.2f} bits per parameter "
        f"({low:.2f} to {high:.2f} over {line['searches']} searches)",
        *growth_phrases(),
    ]


def growth_phrases() -> list[str]:
    summary_lines = capacity.summary(read("growth"))
    smallest, largest = summary_lines[0], summary_lines[-1]
    assert all(line["bracketed"] for line in summary_lines)
    slope, exponent = (
        "{:.2f} ({:.2f} to {:.2f})".format(
            *(largest[f"{key}{end}"] for end in ("", "_low", "_high"))
        )
        for key in ("slope", "exponent")
    )
    return [
        f"{smallest['bits_per_parameter']:.2f} bits per parameter at "
        f"{smallest['parameters']:,} parameters",
        f"{largest['bits_per_parameter']:.2f} at {largest['parameters']:,}",
        f"stores {slope} bits",
        f"exponent of {exponent}",
    ]


# Autocomplete.


def trainings(name: str) -> Lines:
    """Losses, accuracies and connectivity, with intervals over trainings."""
    header = ["", "test loss, nats", "accuracy", "in 3 most likely"]
    header += ["context fraction", "by squares", "mean lag", "by squares"]
    lines = [header]
    for line in autocomplete.summary(read(name)):
        texts = [f"`{line['cell']}`"]
        for key in (
            *("test_loss", "test_top1", "test_top3"),
            *("context_fraction", "context_fraction_squared"),
            *("context_lag", "context_lag_squared"),
        ):
            texts.append(ends_of(line, key, 2 if "loss" in key or "lag" in key else 3))
        lines.append(texts)
    return lines


def autocomplete_phrases() -> list[str]:
    (line,) = autocomplete.summary(read("english"))
    other = autocomplete.summary(read("encyclopedia"))

    fraction, squared = (
        _difference("gru", "lstm", key)
        for key in ("context_fraction", "context_fraction_squared")
    )
    accuracy, low, high = (100 * line[f"test_top1{end}"] for end in ENDS)
    return [
        f"at {accuracy:.1f} % of the scored characters ({low:.1f} to {high:.1f})",
        f"with {line['test_loss']:.2f} nats ({line['test_loss_low']:.2f} to "
        f"{line['test_loss_high']:.2f}; {line['seeds']} trainings)",
        f"word frequencies alone give {line['unigram_entropy']:.2f}",
        f"frequency alone takes {other[0]['unigram_entropy']:.2f} nats",
        f"{other[0]['classes']:,} classes of words",
        f"{other[0]['updates']:,} updates",
        f"GRU minus LSTM is {fraction} by the norm and {squared} by the squared norm",
    ]


def percentage(line: Row, key: str) -> str:
    """A fraction of a summary in percent, with its interval: "35 % (34 to 36)"."""
    value, low, high = (100 * line[f"{key}{end}"] for end in ENDS)
    return f"{value:.0f} % ({low:.0f} to {high:.0f})"


def _difference(a: str, b: str, key: str) -> str:
    """The mean difference of two cells, paired by seed, and its interval."""
    one, other = (
        {row["seed"]: row[key] for row in cell_rows("encyclopedia", cell)}
        for cell in (a, b)
    )
    return interval(statistics.mean(one[seed] - other[seed] for seed in one), 3)


# A synthetic text.


def regrets() -> Lines:
    """Regret, words of context and connectivity of networks that name words."""
    header = ["switch", "cell", "words of context", "regret, nats"]
    lines = [[*header, "context fraction", "mean lag"]]
    for name, switch in SWITCHES.items():
        for _, lanes in autocomplete.by_shape(read(f"regret-{name}")):
            (line,) = autocomplete.summary(lanes)
            words = contexts.interval(autocomplete.effective_context(lanes))
            digits = {"regret": 4, "context_fraction": 3, "context_lag": 2}
            texts = (ends_of(line, key, number) for key, number in digits.items())
            lines.append([switch, f"`{line['cell']}`", words, *texts])
    return lines


def ends_of(line: Row, key: str, digits: int) -> str:
    """A mean and its interval of a line of a summary."""
    value, low, high = (f"{line[f'{key}{end}']:.{digits}f}" for end in ENDS)
    return f"{value} ({low} to {high})"


def letters() -> Lines:
    """Regret, words of context and merge times of networks that name characters."""
    lines = [["switch", "cell", "words of context", "regret, bits", "within 1e-4"]]
    for name, switch in SWITCHES.items():
        for cell in ("gru", "lstm", "nested_lstm"):
            draws = cell_rows(f"letters-{name}", cell)
            found = statistics.mean(row["regret"] for row in draws)
            known = draws[0]["contexts"], draws[0]["context_regrets"]
            values = found.mean, found.low, found.high
            words = contexts.interval(contexts.effective_interval(values, *known))
            time = merge_time(cell_rows(f"merged-{name}", cell), "1e-4")
            lines.append([switch, f"`{cell}`", words, interval(found, 4), time])
    return lines


def regret_phrases() -> list[str]:
    rows = cell_rows("regret-medium", "gru")
    above = [np.subtract(row["valid_losses"], row["valid_optimum"]) for row in rows]
    early, *_, late = map(statistics.mean, zip(*above))
    return [
        f"falls from {interval(early, 3)} after {rows[0]['valid_updates'][0]} updates",
        f"to {interval(late, 3)} after {rows[0]['valid_updates'][-1]:,}",
    ]


# All.


def of_verdicts() -> Lines:
    """Commands of runs whose rows only verdicts are computed from."""
    lines = [["rows", "command", "commit", "date"]]
    for name in VERDICTS:
        config = rows.read_config(DATA / name)
        where = config["invocations"][-1]
        link, command = f"[{name}](data/{name}/config.json)", config["commands"][-1]
        lines.append([link, f"`{command}`", where["commit"][:10], where["date"]])
    return lines


def phrases() -> list[str]:
    """What docs/results.md states in sentences."""
    return [
        *stability_phrases(),
        *capacity_phrases(),
        *autocomplete_phrases(),
        *regret_phrases(),
    ]


TABLES: dict[str, Callable[[], Lines]] = {
    "identical": identical,
    "slopes-units": functools.partial(slope_table, "hidden_size"),
    "slopes-inputs": functools.partial(slope_table, "input_size"),
    "cells": cells,
    "searches": search_results,
    "growth": growth_results,
    "failed": failures,
    "english": functools.partial(trainings, "english"),
    "encyclopedia": functools.partial(trainings, "encyclopedia"),
    "verdicts": of_verdicts,
    "regret": regrets,
    "letters": letters,
    "linear": lambda: short_term_numbers.linear(read("linear")),
    "processing": lambda: short_term_numbers.processing(read("processing")),
    "sparse": lambda: short_term_numbers.sparse(read("sparse")),
    "recall": lambda: short_term_numbers.recall(read("recall")),
    "optimizers": lambda: optimization_numbers.methods(read("optimizers")),
    "best-optimizer": lambda: optimization_numbers.best(read("optimizers")),
    "orders": lambda: optimization_numbers.orders(read("published")),
    "initializers": lambda: optimization_numbers.methods(read("initializers")),
    "interaction": lambda: optimization_numbers.interaction(read("initializers")),
    "cures": lambda: optimization_numbers.cures(read("cures")),
}


def table(name: str) -> str:
    """A table as Markdown."""
    header, *lines = TABLES[name]()
    rule = ["---"] * len(header)
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, rule, *lines))


def page(text: str) -> str:
    """The page with its tables as the rows give them."""
    return TABLE.sub(lambda match: match[1] + table(match[2]), text)
