"""What the rows of memory stability say about each shape. Needs no JAX."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from rnnjax.memory_stability.schema import DEFAULT_CRITERIA, FRESH, NUMBERS, SHAPE
from rnnjax.results import statistics
from rnnjax.results.schema import Row

SERIES = ("cell", "layers", "weights")
STATUSES = ("merged", "apart", "diverged")
HEADLINE = "1e-4"  # of the default criteria
SAMPLE_RATIO = 1.08  # between neighboring sample steps
MAX_SAMPLES = 400
EXPONENT_RESOLUTION = 1e-7  # nats a step, of what is measured in float32

Series = tuple[str, int, str]


def sample_steps(shared_steps: int) -> np.ndarray:
    """The shared steps at which rows have the distance, int64.

    Every step at first, then 8 % apart; those of a shorter run are a prefix.
    """
    steps = np.floor(SAMPLE_RATIO ** np.arange(MAX_SAMPLES)).astype(np.int64)
    steps = np.unique(steps) - 1
    return steps[steps < shared_steps]


def criteria(rows: Sequence[Row]) -> list[str]:
    """The criteria that rows were measured with, in their order."""
    keys = [key for key in rows[0] if key.startswith("first_")]
    return [key.removeprefix("first_") for key in keys]


def headline(rows: Sequence[Row]) -> str:
    """The criterion that is shown first: the first one that was asked for.

    Of the default ones it is a tolerance: times until outputs are identical measure
    rounding.
    """
    names = criteria(rows)
    return HEADLINE if tuple(names) == DEFAULT_CRITERIA else names[0]


def criterion_title(name: str) -> str:
    """A criterion in words."""
    titles = {"identical": "identical outputs", "cosine": "cosine similarity 1"}
    return titles.get(name, f"within {name}")


def shapes(rows: Sequence[Row]) -> list[tuple[tuple, list[Row]]]:
    """The values of `SHAPE` that occur, sorted, each with the rows that have them."""

    def key(row: Row) -> tuple:
        return tuple(row.get(name) for name in SHAPE)

    groups = itertools.groupby(sorted(rows, key=key), key)
    return [(shape, list(group)) for shape, group in groups]


def varying(rows: Sequence[Row]) -> list[str]:
    """The `NUMBERS` that have several values in some series, such as `keep_bias`."""
    groups = [[row for row in rows if series_of(row) == one] for one in series(rows)]
    return [
        name
        for name in NUMBERS
        if any(len({row.get(name) for row in lanes}) > 1 for lanes in groups)
    ]


def is_grid(rows: Sequence[Row]) -> bool:
    """Whether series, input sizes and units are crossed: half of the shapes at least.

    With a budget they are not: each series and input size has its own units.
    """
    found = {(series_of(row), row["input_size"], row["hidden_size"]) for row in rows}
    crossed = math.prod(len(set(values)) for values in zip(*found))
    return 2 * len(found) >= crossed


def seeds(rows: Sequence[Row]) -> str:
    """How many seeds each shape has, such as "10 seeds", or that it is one network."""
    counts = {len(lanes) for _, lanes in shapes(rows)}
    if counts == {1}:
        return "one network each (one seed)"
    few = f"{min(counts)} to " if len(counts) > 1 else ""
    return f"{few}{max(counts)} seeds"


def series(rows: Sequence[Row]) -> list[Series]:
    """The values of `SERIES` that occur, sorted: what a line of a picture is."""
    return sorted({series_of(row) for row in rows})


def series_of(row: Row) -> Series:
    return row["cell"], row["layers"], row["weights"]


def sizes(inputs: int, units: int) -> str:
    """As "1 input, 8 units"."""
    return ", ".join(
        f"{n} {noun if n == 1 else f'{noun}s'}"
        for n, noun in ((inputs, "input"), (units, "unit"))
    )


def title(cell: str, layers: int, weights: str = FRESH) -> str:
    """The name of a series, such as "gru x2" or "gru, trained"."""
    name = cell if layers == 1 else f"{cell} x{layers}"
    return name if weights == FRESH else f"{name}, {weights}"


def times(rows: Sequence[Row], key: str) -> statistics.Times:
    """The times `key` over seeds, without the lanes that diverged.

    Rows of several shapes share seeds, so each seed counts once, with the median over
    its shapes. A time that is not known counts as infinite.
    """
    sound = [row for row in rows if row["status"] != "diverged"]
    values = _by_seed(sound, lambda row: np.inf if row[key] is None else row[key])
    return statistics.censored([v if np.isfinite(v) else None for v in values])


@dataclasses.dataclass(frozen=True)
class Exponent:
    """The largest exponent over seeds; dead lanes count as minus infinity.

    `dead` of `lanes` lanes are dead. Those that diverged or were too short for an
    exponent are left out; if no other is left, `lanes` is 0 and `status` says why. The
    status is `dead` if the median is minus infinity, else `ok`.
    """

    median: statistics.Median
    dead: int
    lanes: int
    status: str


def exponent(rows: Sequence[Row]) -> Exponent:
    """The median over seeds of the largest exponent, as `times` has it of times."""
    known = [row for row in rows if row["lyapunov_status"] in ("ok", "dead")]
    dead = sum(row["lyapunov_status"] == "dead" for row in known)
    values = _by_seed(
        known, lambda row: -np.inf if row["lyapunov"] is None else row["lyapunov"]
    )
    median = statistics.median(values, EXPONENT_RESOLUTION)
    if median.median is None:
        status = rows[0]["lyapunov_status"]
    else:
        status = "ok" if np.isfinite(median.median) else "dead"
    return Exponent(median, dead, len(known), status)


def _by_seed(rows: Sequence[Row], value: Callable[[Row], float]) -> list[float]:
    """For each seed the median of `value` over its rows."""
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        by_seed.setdefault(row["seed"], []).append(value(row))
    return [float(np.median(values)) for values in by_seed.values()]


def summary(rows: Sequence[Row]) -> list[Row]:
    """One flat line a shape.

    Lanes by status; of each time the fraction of lanes that have one, the median, and
    its interval; the median of the largest exponent with its interval, and how many
    lanes are dead; the medians of the predicted times and of the floor. What is
    infinite is null: a time beyond the run, where the fraction is below 1, and the
    exponent of dead lanes, where `dead` is not 0 (`lyapunov_status` is that of the
    median).
    """
    return [_line(shape, lanes) for shape, lanes in shapes(rows)]


def _line(shape: tuple, lanes: list[Row]) -> Row:
    line: Row = dict(zip(SHAPE, shape)) | {"seeds": len(lanes)}
    for status in STATUSES:
        line[status] = sum(row["status"] == status for row in lanes)
    for key in lanes[0]:
        if key.startswith(("first_", "settled_")):
            t = times(lanes, key)
            line[f"{key}_fraction"] = t.fraction.mean
            line |= _median(key, t.median)
    for key in lanes[0]:
        if key.startswith("predicted_"):
            line[f"{key}_median"] = _predicted(lanes, key)
    e = exponent(lanes)
    line |= _median("lyapunov", e.median) | {"lyapunov_status": e.status}
    line |= {"dead": e.dead, "dead_fraction": e.dead / e.lanes if e.lanes else None}
    floors = [row["floor"] for row in lanes if row["floor"] is not None]
    line["floor_median"] = float(np.median(floors)) if floors else None
    return line


def _median(key: str, m: statistics.Median) -> Row:
    values = {"median": m.median, "low": m.low, "high": m.high}
    return {f"{key}_{name}": _finite(value) for name, value in values.items()}


def _predicted(lanes: Sequence[Row], key: str) -> float | None:
    """The median predicted time: 0 for dead lanes, infinite without contraction."""

    def value(row: Row) -> float:
        if row[key] is not None:
            return row[key]
        return 0.0 if row["lyapunov"] is None or row["lyapunov"] < 0 else np.inf

    known = [row for row in lanes if row["lyapunov_status"] in ("ok", "dead")]
    return _finite(statistics.median(map(value, known)).median)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def met(t: statistics.Times) -> str:
    """How many seeds met a criterion, such as " 7/10"; empty if all of them did."""
    if t.fraction.mean is None or t.fraction.mean == 1:
        return ""
    return f" {round(t.fraction.mean * t.n)}/{t.n}"


def steps(value: float) -> str:
    """A time; halves, which medians of whole steps can have, are kept."""
    return f"{value:,.1f}".removesuffix(".0")


def limits(m: statistics.Median, separator: str = " to ") -> str:
    """The interval of a time, rounded outward to whole steps; empty if it has none."""
    if m.low is None or m.high is None or np.isinf(m.low):
        return ""
    low = steps(np.floor(m.low))
    if np.isinf(m.high):
        return f"from {low}"
    return f"{low}{separator}{steps(np.ceil(m.high))}"


def entry(lanes: Sequence[Row], name: str) -> str:
    """The merge time by criterion `name` over lanes of one shape, as a table shows it.

    The median and its interval, as in "40 (37 to 43)". If some seeds never met the
    criterion, how many did; if half or more never did, a lower bound of the median, and
    the finite end of its interval if there is one: ">=99,000 4/10 (from 5,210)".
    """
    t = times(lanes, f"first_{name}")
    if t.median.median is None:
        return "diverged"
    beyond = np.isinf(t.median.median)
    value = lanes[0]["shared_steps"] if beyond else t.median.median
    interval = limits(t.median)
    between = f" ({interval})" if interval else ""
    return f"{'>=' if beyond else ''}{steps(value)}{met(t)}{between}"


def short_entry(lanes: Sequence[Row], name: str) -> str:
    """The same in few characters: the median alone, a star if not all seeds met it."""
    t = times(lanes, f"first_{name}")
    if t.median.median is None:
        return "div."
    beyond = np.isinf(t.median.median)
    value = lanes[0]["shared_steps"] if beyond else t.median.median
    text = steps(value) if value < 10_000 else f"{value / 1000:.0f}k"
    return f">={text}" if beyond else text + "*" * bool(met(t))


def exponent_entry(lanes: Sequence[Row]) -> str:
    """The largest exponent over lanes, as a table shows it.

    The median and its interval, as in "-0.204 (-0.211 to -0.197)". If lanes are dead,
    how many: "-0.204 (to -0.197) dead 2/10", or "dead 6/10 (to -0.197)" if the median
    is minus infinity.
    """
    e = exponent(lanes)
    if e.median.median is None:
        return e.status
    dead = f"dead {e.dead}/{e.lanes}" if e.dead else ""
    value = rate(e.median.median) if e.status == "ok" else ""
    low, high = e.median.low, e.median.high
    interval = ""
    if low is not None and high is not None and np.isfinite(high):
        begin = "" if np.isinf(low) else f"{rate(low)} "
        interval = f"({begin}to {rate(high)})"
    words = (value, interval, dead) if value else (dead, interval)
    return " ".join(word for word in words if word)


def rate(value: float) -> str:
    """An exponent, in nats a step; one that can be told from 0 does not become 0."""
    if abs(value) <= EXPONENT_RESOLUTION:
        return "0"
    return f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.2g}"
