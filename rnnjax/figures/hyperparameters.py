"""Pictures of memory over numbers of the cell and the scale of the inputs."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.figures import canvas
from rnnjax.memory_stability import summary
from rnnjax.results.schema import Row

LEAST = 0.5  # steps; where a logarithmic scale has the time 0


class Value(NamedTuple):
    """A quantity over seeds: its middle and its interval; None where there is none."""

    middle: float | None
    low: float | None
    high: float | None


class Quantity(NamedTuple):
    """What is drawn: a value of some lanes, and the label of its axis."""

    label: str
    value: Callable[[Sequence[Row]], Value]
    is_time: bool = False


def draw(rows: list[Row], folder: Any) -> None:
    """`<number>.png` if one number has several values; heat maps if more have.

    A heat map `<number>-<number>.png` is drawn for each two of them.
    """
    numbers = summary.varying(rows)
    if len(numbers) == 1:
        lines(rows, numbers[0], folder)
    for two in itertools.combinations(numbers, 2):
        heatmap(rows, *two, folder)


def quantities(rows: Sequence[Row]) -> list[Quantity]:
    """Merge time and fraction censored by the strictest tolerance, and exponent."""
    name = summary.criteria(rows)[-1]
    criterion = summary.criterion_title(name)

    def time(lanes: Sequence[Row]) -> Value:
        m = summary.times(lanes, f"first_{name}").median
        return Value(m.median, m.low, m.high)

    def censored(lanes: Sequence[Row]) -> Value:
        met = summary.times(lanes, f"first_{name}").fraction
        if met.mean is None or met.low is None or met.high is None:
            return Value(None, None, None)
        return Value(1 - met.mean, 1 - met.high, 1 - met.low)

    def exponent(lanes: Sequence[Row]) -> Value:
        m = summary.exponent(lanes).median
        return Value(m.median, m.low, m.high)

    return [
        Quantity(f"shared steps, {criterion}", time, is_time=True),
        Quantity(f"fraction censored, {criterion}", censored),
        Quantity("largest exponent (nats a step)", exponent),
    ]


def lines(rows: list[Row], number: str, folder: Any) -> None:
    """`<number>.png`: each quantity over one number, a line for each number of units.

    Where the exponent crosses 0 between two values, the crossing is marked.
    """
    series, units = summary.series(rows), _units(rows)
    made = quantities(rows)
    with canvas.figure(
        folder, number, len(series), len(made), (3.6, 2.8), sharex=True
    ) as (fig, axes):
        for line, one in zip(axes, series):
            some = [row for row in rows if summary.series_of(row) == one]
            for axis, quantity in zip(line, made):
                for k, size in enumerate(units):
                    lanes = [row for row in some if row["hidden_size"] == size]
                    style = canvas.style(k, len(units))
                    if lanes:
                        _line(axis, lanes, number, quantity, size, style)
                axis.set_ylabel(quantity.label)
                axis.set_title(summary.title(*one))
            line[0].set_yscale("log")
            canvas.plain_numbers(line[0].yaxis)
            line[1].set_ylim(-0.05, 1.05)
            line[2].axhline(0, color="0.5", lw=0.8, zorder=0)
        values = sorted({row[number] for row in rows if row.get(number) is not None})
        for axis in axes.flat:
            canvas.ticks_at(axis, values)
        for axis in axes[-1]:
            axis.set_xlabel(_title(number))
        canvas.legend(fig, axes, "units")
        text = (
            f"{_of(rows)} Bands: 95 % intervals (of medians from 5 seeds on). "
            "Triangles: lower bounds, where half of the seeds or more never agreed. "
            "Crosses: where an exponent is 0, the edge of stability."
        )
        canvas.caption(fig, f"Memory over {_title(number)}", text)


def _line(
    axis: Any,
    rows: list[Row],
    number: str,
    quantity: Quantity,
    units: int,
    style: dict[str, Any],
) -> None:
    color = style["color"]
    x = sorted({row[number] for row in rows if row.get(number) is not None})
    found = [quantity.value([row for row in rows if row[number] == v]) for v in x]
    middle, low, high = (
        np.asarray([np.nan if v is None else v for v in part], float)
        for part in zip(*found)
    )
    if quantity.is_time:
        horizon = rows[0]["shared_steps"]
        beyond = np.isinf(middle)
        middle, low, high = (np.minimum(v, horizon) + 1 for v in (middle, low, high))
        axis.plot(np.asarray(x)[beyond], middle[beyond], "^", color=color, ms=8)
    else:
        middle, low, high = (
            np.where(np.isfinite(v), v, np.nan) for v in (middle, low, high)
        )
    axis.plot(x, middle, label=units, lw=1.2, ms=3.5, **style)
    axis.fill_between(x, low, high, color=color, alpha=0.15, lw=0)
    if "exponent" in quantity.label:
        crossings = zero_crossings(x, middle.tolist())
        axis.plot(crossings, np.zeros(len(crossings)), "x", color=color, ms=7)


def zero_crossings(x: Sequence[float], y: Sequence[float]) -> list[float]:
    """Where the line through the points (x, y) is 0; points without a y are gaps."""
    out = []
    for (x0, y0), (x1, y1) in itertools.pairwise(zip(x, y)):
        if y0 * y1 < 0:
            out.append(x0 - y0 * (x1 - x0) / (y1 - y0))
        elif y0 == 0:
            out.append(x0)
    if len(y) and y[-1] == 0:
        out.append(x[-1])
    return out


def heatmap(rows: list[Row], across: str, down: str, folder: Any) -> None:
    """`<across>-<down>.png`: each quantity over two numbers.

    A row of panels for each series and number of units; a quantity has one color scale.
    A line marks where the exponent is 0.
    """
    made = quantities(rows)
    panels = {
        (one, units): some
        for one, units in itertools.product(summary.series(rows), _units(rows))
        if (some := _lanes(rows, one, units))
    }
    values = [
        sorted({row[name] for row in rows if row.get(name) is not None})
        for name in (across, down)
    ]
    size = (max(3.2, len(values[0]) + 1.2), max(2.4, 0.45 * len(values[1]) + 1))
    with canvas.figure(folder, f"{across}-{down}", len(panels), len(made), size) as (
        fig,
        axes,
    ):
        for column, quantity in zip(axes.T, made):
            grids = [
                _grid(some, across, down, values, quantity) for some in panels.values()
            ]
            horizon = rows[0]["shared_steps"]
            shown = [_shown(grid, values, quantity, horizon) for grid in grids]
            norm = _norm([numbers for numbers, _ in shown], quantity)
            for axis, (one, units), (numbers, texts) in zip(column, panels, shown):
                image = _heat(axis, numbers, texts, values, norm)
                if "exponent" in quantity.label and min(numbers.shape) > 1:
                    _zero_line(axis, numbers)
                words = f"{summary.title(*one)}, {units} units"
                axis.set_title(f"{words}:\n{quantity.label}", fontsize=9)
                axis.set(xlabel=_title(across), ylabel=_title(down))
            bar = fig.colorbar(image, ax=list(column), fraction=0.05)
            if quantity.is_time:
                canvas.bar_ticks(bar, norm, LEAST)
        text = (
            f"{_of(rows)} Below them: 95 % intervals (of medians from 5 seeds on). ≥: "
            "a lower bound, where half of the seeds or more never agreed. Line: where "
            "the exponent is 0, the edge of stability. Colors: one scale for each "
            "quantity."
        )
        title = f"Memory over {_title(across)} and {_title(down)}"
        canvas.caption(fig, title, text)


def _lanes(rows: Sequence[Row], one: summary.Series, units: int) -> list[Row]:
    return [
        row
        for row in rows
        if (summary.series_of(row), row["hidden_size"]) == (one, units)
    ]


def _grid(
    rows: Sequence[Row],
    across: str,
    down: str,
    values: list[list[float]],
    quantity: Quantity,
) -> dict[tuple[int, int], Value]:
    """The value at each place (i, j), i down and j across."""
    return {
        (i, j): quantity.value(lanes)
        for j, x in enumerate(values[0])
        for i, y in enumerate(values[1])
        if (lanes := [r for r in rows if r[across] == x and r[down] == y])
    }


def _shown(
    grid: dict[tuple[int, int], Value],
    values: list[list[float]],
    quantity: Quantity,
    horizon: int,
) -> tuple[np.ndarray, dict[tuple[int, int], str]]:
    """The numbers that are colored, NaN where there is none, and the texts on them."""
    shown = np.full([len(values[1]), len(values[0])], np.nan)
    texts = {}
    for place, value in grid.items():
        middle = value.middle
        if middle is None:
            texts[place] = "div."
        elif np.isinf(middle) and not quantity.is_time:
            texts[place] = "dead"
        else:
            shown[place] = min(middle, horizon) if quantity.is_time else middle
            bound = "≥" if np.isinf(middle) else ""
            texts[place] = f"{bound}{_short(shown[place])}{_interval(value)}"
    return shown, texts


def _norm(panels: Sequence[np.ndarray], quantity: Quantity) -> Any:
    """The color scale of a quantity in all panels."""
    from matplotlib import colors

    every = np.concatenate([numbers.ravel() for numbers in panels])
    known = every[np.isfinite(every)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    if quantity.is_time:
        low = max(low, LEAST)
        return colors.LogNorm(low, max(high, 1.01 * low))
    if "fraction" in quantity.label:
        return colors.Normalize(0, 1)
    return colors.Normalize(low, max(high, low + summary.EXPONENT_RESOLUTION))


def _heat(
    axis: Any,
    shown: np.ndarray,
    texts: dict[tuple[int, int], str],
    values: list[list[float]],
    norm: Any,
) -> Any:
    from matplotlib import colormaps

    least = np.maximum(shown, norm.vmin)
    image = axis.imshow(least, cmap="viridis", norm=norm, aspect="auto", origin="lower")
    for (i, j), text in texts.items():
        seen = np.isfinite(shown[i, j])
        color = colormaps["viridis"](norm(least[i, j])) if seen else (1, 1, 1, 1)
        dark = 0.3 * color[0] + 0.6 * color[1] + 0.1 * color[2] < 0.5
        style: Any = {"ha": "center", "va": "center", "fontsize": 6.5}
        axis.text(j, i, text, color="white" if dark else "black", **style)
    axis.set_xticks(range(len(values[0])), [f"{v:g}" for v in values[0]])
    axis.set_yticks(range(len(values[1])), [f"{v:g}" for v in values[1]])
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return image


def _zero_line(axis: Any, exponents: np.ndarray) -> None:
    known = exponents[np.isfinite(exponents)]
    if len(known) and known.min() < 0 < known.max():
        axis.contour(exponents, [0.0], colors="black", linewidths=1)


def _short(value: float) -> str:
    """A value in at most six characters."""
    if abs(value) >= 10_000:
        return f"{value / 1000:.0f}k"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _interval(value: Value) -> str:
    """The interval of a value in a line of its own; empty if it is not finite."""
    if value.low is None or value.high is None:
        return ""
    if not np.isfinite(value.low) or not np.isfinite(value.high):
        return ""
    return f"\n{_short(value.low)} to {_short(value.high)}"


def _units(rows: Sequence[Row]) -> list[int]:
    return sorted({row["hidden_size"] for row in rows})


def _title(number: str) -> str:
    return number.replace("_", " ")


def _of(rows: Sequence[Row]) -> str:
    """What the values are of, for captions."""
    inputs = sorted({row["input_size"] for row in rows})
    several = len(inputs) > 1 or len(summary.varying(rows)) > 2
    pooled = " of the median over what is not shown" if several else ""
    return (
        f"Inputs {', '.join(map(str, inputs))}. Medians over {summary.seeds(rows)}"
        f"{pooled}; runs of {rows[0]['shared_steps']:,} shared steps."
    )
