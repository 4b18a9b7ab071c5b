"""One line for each cell: what every experiment measured of it, with its rank.

A column compares cells at one setting: of all settings that were measured, the one with
most cells. Cells without rows there have no entry.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rnnjax.autocomplete import summary as autocomplete
from rnnjax.capacity import summary as capacity
from rnnjax.memory_stability import summary as stability
from rnnjax.report import capacity_claims, pools
from rnnjax.report.pools import Pool
from rnnjax.report.runs import Run
from rnnjax.results import statistics
from rnnjax.results.schema import Row
from rnnjax.short_term_memory import recall_summary
from rnnjax.short_term_memory import summary as short_term


class Entry(NamedTuple):
    """A value with its interval over `n` seeds; `rank` 1 is the best of its column.

    The value is infinite where a median is beyond what was measured.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    rank: int = 0


Measure = Callable[[Sequence[Row], Pool], Entry | None]


@dataclasses.dataclass(frozen=True)
class Column:
    """A measure of cells; `meaning` says what it is.

    `setting` are the keys that rows of one comparison share; of several settings with
    as many cells, that with the values of `prefer` is taken, then the last.
    """

    key: str
    title: str
    unit: str
    meaning: str
    benchmark: str
    needs: tuple[str, ...]
    setting: tuple[str, ...]
    measure: Measure
    highest: bool = True  # is the best
    digits: int = 2
    prefer: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Comparison(NamedTuple):
    """A column with its entries by cell, the setting, and the runs they are from."""

    column: Column
    entries: dict[str, Entry]
    setting: str
    runs: Sequence[Run]


def compare(runs: Sequence[Run]) -> list[Comparison]:
    """The columns that the rows of runs have entries for."""
    found = (_comparison(column, runs) for column in COLUMNS)
    return [one for one in found if one is not None]


def _comparison(column: Column, runs: Sequence[Run]) -> Comparison | None:
    best, best_rank = None, (0, 0, 0, "")
    for pool in pools.alike(runs, column.benchmark):
        rows = [row for row in pool.rows if all(k in row for k in column.needs)]
        for setting, lanes in _by_setting(rows, column.setting):
            entries = dict(_entries(column, lanes, pool))
            preferred = sum(setting.get(k) == v for k, v in column.prefer.items())
            rank = len(entries), preferred, len(lanes), str(sorted(setting.items()))
            if entries and rank > best_rank:
                best, best_rank = (entries, setting, pool), rank
    if best is None:
        return None
    entries, setting, pool = best
    text = ", ".join(f"{k} {v}" for k, v in setting.items() if v is not None)
    used = pool.of(entries, column.needs).runs
    return Comparison(column, _ranked(entries, column.highest), text, used)


def _by_setting(
    rows: Sequence[Row], keys: Sequence[str]
) -> Iterator[tuple[Row, list[Row]]]:
    found: dict[tuple, list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    for values, lanes in found.items():
        yield dict(zip(keys, values)), lanes


def _entries(
    column: Column, lanes: Sequence[Row], pool: Pool
) -> Iterator[tuple[str, Entry]]:
    for cell in sorted({row["cell"] for row in lanes}):
        entry = column.measure([row for row in lanes if row["cell"] == cell], pool)
        if entry is not None:
            yield cell, entry


def _ranked(entries: Mapping[str, Entry], highest: bool) -> dict[str, Entry]:
    sign = -1 if highest else 1
    ordered = sorted(sign * entry.value for entry in entries.values())
    return {
        cell: entry._replace(rank=1 + ordered.index(sign * entry.value))
        for cell, entry in entries.items()
    }


def _mean(mean: statistics.Mean) -> Entry | None:
    return None if mean.mean is None else Entry(mean.mean, mean.low, mean.high, mean.n)


def _median(median: statistics.Median) -> Entry | None:
    if median.median is None:
        return None
    return Entry(median.median, median.low, median.high, median.n)


def _of_key(key: str) -> Measure:
    """The mean over seeds of a key."""
    return lambda lanes, pool: _mean(statistics.mean(row[key] for row in lanes))


def _bits(lanes: Sequence[Row], pool: Pool) -> Entry | None:
    if not capacity.counts_bits(lanes):
        return None
    values = capacity.values(lanes, capacity.bits_per_parameter)
    return _mean(statistics.mean(values, statistics.NONNEGATIVE))


def _numbers(lanes: Sequence[Row], pool: Pool) -> Entry | None:
    if lanes[0]["loss_bound"] is None:
        return None
    effect = capacity_claims.numbers(Pool(lanes, ()))
    if effect is None:
        return None
    found = effect.estimate()
    return Entry(found.value, found.low, found.high, effect.n)


def _recalled(lanes: Sequence[Row], pool: Pool) -> Entry | None:
    trained = [row for row in lanes if row["status"] == "trained"]
    found = [recall_summary.recalled(row) for row in trained]
    return _median(statistics.censored(found).median)


def _training(lanes: Sequence[Row], pool: Pool) -> Entry | None:
    """Milliseconds of an update, the mean over runs."""
    shape = autocomplete.by_shape(lanes)[0][0]
    values = []
    for run, timings in pool.timings:
        seconds = autocomplete.seconds_per_update(timings, run.where.get("devices", 1))
        values += [1000 * seconds[shape]] if shape in seconds else []
    return _mean(statistics.mean(values, statistics.NONNEGATIVE))


def _stepping(lanes: Sequence[Row], pool: Pool) -> Entry | None:
    """Microseconds of a step of one lane and device, the mean over groups."""
    identity = {_lane(row) for row in lanes}
    values = []
    for run, timings in pool.timings:
        for timing, rows in timings:
            if _lane(rows[0]) in identity:
                steps = sum(r["washout"] + r["steps"] + r["test_steps"] for r in rows)
                devices = run.where.get("devices", 1)
                values.append(1e6 * timing["run_seconds"] * devices / steps)
    return _mean(statistics.mean(values, statistics.NONNEGATIVE))


def _lane(row: Row) -> tuple:
    return tuple(row.get(key) for key in (*short_term.SERIES, "input_scale", "seed"))


SHAPE = ("hidden_size", "layers")
STABILITY = ("input_size", *SHAPE, "weights")
COLUMNS = (
    Column(
        "merge_time",
        "merge time",
        "steps within 1e-4",
        "median steps until outputs of two sequences with another past agree",
        "memory_stability",
        ("first_1e-4",),
        STABILITY,
        lambda lanes, pool: _median(stability.times(lanes, "first_1e-4").median),
        digits=1,
        prefer={"weights": "fresh"},
    ),
    Column(
        "exponent",
        "exponent",
        "nats a step",
        "median largest exponent: below 0, states come together at this rate",
        "memory_stability",
        ("lyapunov", "lyapunov_status"),
        STABILITY,
        lambda lanes, pool: _median(stability.exponent(lanes).median),
        digits=4,
        prefer={"weights": "fresh"},
    ),
    Column(
        "bits",
        "bits a parameter",
        "bits",
        "bits of random answers that a trained network stores, for each parameter",
        "capacity",
        ("bits", "objective"),
        ("recurrent_init", "layers", "steps", "budget"),
        _bits,
    ),
    Column(
        "numbers",
        "numbers a unit",
        "numbers",
        "inputs of the units task that a trained network holds, for each unit",
        "capacity",
        ("loss_bound", "loss", "input_size"),
        ("recurrent_init", "layers"),
        _numbers,
    ),
    Column(
        "linear",
        "linear memory",
        "steps",
        "past inputs that linear read-outs get from the state, over all delays",
        "short_term_memory",
        ("capacity_state",),
        (*SHAPE, "input_scale", "weights"),
        _of_key("capacity_state"),
        digits=1,
        prefer={"input_scale": 1.0},
    ),
    Column(
        "recall",
        "recall",
        "pairs",
        "most pairs of key and value of which a trained network recalls 90 %",
        "short_term_memory",
        ("pairs", "accuracy"),
        SHAPE,
        _recalled,
        digits=1,
    ),
    Column(
        "context",
        "context share",
        "fraction of connectivity",
        "of the gradient of the output, the part before the current word, which "
        "may be large in networks that have learned nothing",
        "autocomplete",
        ("context_fraction",),
        SHAPE,
        _of_key("context_fraction"),
        digits=3,
    ),
    Column(
        "regret",
        "regret",
        "nats a character",
        "test loss above the best possible one, of a synthetic text",
        "autocomplete",
        ("regret",),
        (*SHAPE, "switch"),
        _of_key("regret"),
        highest=False,
        digits=4,
    ),
    Column(
        "training",
        "training",
        "ms an update",
        "time of an update of an autocomplete network, with evaluations",
        "autocomplete",
        ("updates", "batch"),
        SHAPE,
        _training,
        highest=False,
        digits=1,
    ),
    Column(
        "stepping",
        "step, with read-out",
        "µs",
        "time of a step of short-term memory, with its read-outs",
        "short_term_memory",
        ("washout", "test_steps", "capacity_state"),
        (*SHAPE, "input_scale"),
        _stepping,
        highest=False,
        prefer={"input_scale": 1.0},
    ),
    Column(
        "parameters",
        "parameters",
        "autocomplete",
        "weights and biases, with embedding and read-out",
        "autocomplete",
        ("parameters",),
        SHAPE,
        _of_key("parameters"),
        highest=False,
        digits=0,
    ),
)


def text(entry: Entry, column: Column) -> str:
    """As "39.0 [2] (35.0 to 44.0)", which breaks before the interval.

    "beyond" is a median that was not reached.
    """
    value, low, high = (_end(x, column) for x in entry[:3])
    ranked = f"{value} [{entry.rank}]"
    words = [ranked] if low in ("", high) else [ranked, f"({low} to {high})"]
    return " ".join(word.replace(" ", "\xa0") for word in words)


def _end(value: float | None, column: Column) -> str:
    if value is None:
        return ""
    if math.isinf(value):
        return "beyond" if value > 0 else "dead"
    return f"{value:,.{column.digits}f}"
