"""Pictures of memory stability."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnjax.figures import canvas
from rnnjax.memory_stability import summary
from rnnjax.results import statistics
from rnnjax.results.schema import Row

MAX_COLUMNS = 4  # of panels of `distance.png`
QUARTILES = (0.25, 0.5, 0.75)


def draw(rows: list[Row], folder: Any) -> None:
    """All pictures that the rows allow."""
    if len(summary.shapes(rows)) > len(summary.series(rows)):
        heatmap(rows, folder)
    if len(summary.series(rows)) > 1:
        cells(rows, folder)
    distance(rows, folder)


def heatmap(rows: list[Row], folder: Any) -> None:
    """`heatmap.png`: mean merge time by input size and units.

    A panel for each series and criterion; every panel has its own colors. Censored
    shapes are hatched and show a lower bound with the number of lanes that met the
    criterion.
    """
    names, series = summary.criteria(rows), summary.series(rows)
    inputs = sorted({row["input_size"] for row in rows})
    units = sorted({row["hidden_size"] for row in rows})
    panels = list(itertools.product(series, names))
    columns = min(3, len(names)) if len(series) == 1 else len(names)
    size = (max(3.0, 0.5 * len(units) + 1.2), max(2.4, 0.36 * len(inputs) + 1.1))
    grid_rows = -(-len(panels) // columns)
    with canvas.figure(folder, "heatmap", grid_rows, columns, size) as (fig, axes):
        for axis, panel in itertools.zip_longest(axes.flat, panels):
            if panel is None:
                axis.set_visible(False)
                continue
            one, name = panel
            lanes = [row for row in rows if summary.series_of(row) == one]
            _heat(axis, lanes, f"first_{name}", inputs, units)
            axis.set_title(f"{summary.title(*one)}: {summary.criterion_title(name)}")
        width = int(13 * fig.get_figwidth())  # characters of a line
        fig.suptitle(textwrap.fill(_caption(rows), width), fontsize=9)


def _heat(
    axis: Any, rows: list[Row], key: str, inputs: list[int], units: list[int]
) -> None:
    from matplotlib import colormaps, colors, patches

    times: dict[tuple[int, int], Any] = {}
    for (_, _, input_size, hidden_size, _), lanes in summary.shapes(rows):
        index = inputs.index(input_size), units.index(hidden_size)
        times[index] = summary.times(lanes, key)
    values = np.full((len(inputs), len(units)), np.nan)
    for index, t in times.items():
        if t.n:
            values[index] = max(t.restricted.mean, 0.1)
    low, high = 1.0, 10.0
    if np.isfinite(values).any():
        low, high = np.nanmin(values), np.nanmax(values)
    norm = colors.LogNorm(low, max(high, 1.01 * low))  # LogNorm fails if both are equal
    axis.imshow(values, cmap="viridis", norm=norm, aspect="auto")
    for (i, j), t in times.items():
        if t.n and t.fraction == 1:
            text = summary.number(t.restricted.mean)
        else:
            bound = f"≥{summary.number(t.restricted.mean)}" if t.n else ""
            text = f"{bound}\n{round(t.fraction * t.n)}/{t.n}" if t.n else "div."
            hatch: Any = {"hatch": "///", "edgecolor": "0.6", "lw": 0}
            box = patches.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, **hatch)
            axis.add_patch(box)
        red, green, blue, _ = colormaps["viridis"](norm(values[i, j]) if t.n else 1.0)
        dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
        style = {"fontsize": 7, "color": "white" if dark else "black"}
        axis.text(j, i, text, ha="center", va="center", **style)
    axis.set_xticks(range(len(units)), units)
    axis.set_yticks(range(len(inputs)), inputs)
    axis.set_xlabel("units")
    axis.set_ylabel("input size")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def _caption(rows: list[Row]) -> str:
    seeds = len({row["seed"] for row in rows})
    caption = (
        f"First shared step at which both outputs agree: mean over {seeds} seeds of "
        f"{rows[0]['dtype']} runs with {rows[0]['shared_steps']:,} shared steps. "
        "Hatched: some seeds never did (how many did, and a lower bound of the mean)."
    )
    if any(row["status"] == "diverged" for row in rows):
        caption += " Lanes that diverged are left out; div.: all did."
    return caption


def distance(rows: list[Row], folder: Any) -> None:
    """`distance.png`: the largest difference of the outputs over shared steps.

    A panel for each series and input size, a line for each number of units: the median
    over seeds, with a band from the lower to the upper quartile. A line ends where the
    median is exactly 0.
    """

    def panel_of(row: Row) -> tuple[summary.Series, int]:
        return summary.series_of(row), row["input_size"]

    steps = summary.sample_steps(rows[0]["shared_steps"])
    panels = sorted({panel_of(row) for row in rows})
    units = sorted({row["hidden_size"] for row in rows})
    columns = min(MAX_COLUMNS, len(panels))
    grid_rows = -(-len(panels) // columns)
    grid = {"sharex": True, "sharey": True}
    size = (3.2, 2.5)
    with canvas.figure(folder, "distance", grid_rows, columns, size, **grid) as made:
        fig, axes = made
        for axis, panel in itertools.zip_longest(axes.flat, panels):
            if panel is None:
                axis.set_visible(False)
                continue
            lanes = [row for row in rows if panel_of(row) == panel]
            _distances(axis, steps, lanes, units)
            inputs = f"{panel[1]} input{'s' if panel[1] > 1 else ''}"
            axis.set_title(f"{summary.title(*panel[0])}, {inputs}")
        for column in axes.T:
            visible = [axis for axis in column if axis.get_visible()]
            visible[-1].set_xlabel("shared steps")
            visible[-1].tick_params(labelbottom=True)
        for axis in axes[:, 0]:
            axis.set_ylabel("largest difference")
        _units_legend(fig, axes)


def _distances(
    axis: Any, steps: np.ndarray, rows: list[Row], units: Sequence[int]
) -> None:
    for hidden_size, color in zip(units, _palette(len(units))):
        curves = [
            row["distance"]
            for row in rows
            if row["hidden_size"] == hidden_size and row["status"] != "diverged"
        ]
        if curves:
            quartiles = np.quantile(np.asarray(curves, float), QUARTILES, axis=0)
            low, middle, high = (np.where(q > 0, q, np.nan) for q in quartiles)
            axis.plot(steps, middle, color=color, lw=1.2, label=hidden_size)
            axis.fill_between(steps, low, high, color=color, alpha=0.2, lw=0)
    axis.set(xscale="symlog", yscale="log")
    if not axis.lines:
        where = {"transform": axis.transAxes, "ha": "center", "fontsize": 8}
        axis.text(0.5, 0.5, "all lanes diverged", **where)


def _units_legend(fig: Any, axes: Any) -> None:
    handles: dict[str, Any] = {}
    for axis in axes.flat:
        handles |= {name: h for h, name in zip(*axis.get_legend_handles_labels())}
    handles = dict(sorted(handles.items(), key=lambda item: int(item[0])))
    place: Any = {"loc": "outside right center", "frameon": False}
    fig.legend(handles.values(), handles.keys(), title="units", **place)


def cells(rows: list[Row], folder: Any) -> None:
    """`cells.png`: merge times and largest Lyapunov exponents, a line for each series.

    Means over all lanes of a series with 95 % intervals. A triangle is a lower bound:
    some lanes never met the criterion. Series are sorted by the strictest tolerance.
    """
    names = summary.criteria(rows)
    groups = {
        one: [row for row in rows if summary.series_of(row) == one]
        for one in summary.series(rows)
    }
    times = {
        (one, name): summary.times(lanes, f"first_{name}")
        for one, lanes in groups.items()
        for name in names
    }

    def strictest(one: summary.Series) -> tuple[bool, float]:
        t = times[one, names[-1]]
        return t.n > 0, t.restricted.mean or 0.0

    order = sorted(groups, key=strictest)
    size = (4.6, 0.24 * len(order) + 1.6)
    with canvas.figure(folder, "cells", 1, 2, size, sharey=True) as (fig, axes):
        left, right = axes[0]
        for k, (name, color) in enumerate(zip(names, _palette(len(names)))):
            offset = 0.5 * ((k + 0.5) / len(names) - 0.5)
            label = summary.criterion_title(name)
            for line, one in enumerate(order):
                first = label if line == 0 else None
                _time(left, times[one, name], line + offset, color, first)
        for y, one in enumerate(order):
            _exponent(right, groups[one], y)
        left.set_yticks(range(len(order)), [summary.title(*one) for one in order])
        left.set(xscale="log", xlabel="first shared step that agrees (+1)")
        right.axvline(0, color="0.8", lw=0.8, zorder=0)
        right.set_xlabel("largest Lyapunov exponent (nats a step)")
        inputs = sorted({row["input_size"] for row in rows})
        units = sorted({row["hidden_size"] for row in rows})
        sizes = f"inputs {', '.join(map(str, inputs))}; "
        fig.suptitle(f"{sizes}units {', '.join(map(str, units))}", fontsize=9)
        handles, labels = left.get_legend_handles_labels()
        place: Any = {"loc": "outside right center", "frameon": False, "fontsize": 8}
        fig.legend(handles, labels, **place)


def _time(
    axis: Any, t: statistics.Times, y: float, color: Any, label: str | None
) -> None:
    mean, marker = t.restricted, "o" if t.fraction == 1 else ">"
    if mean.mean is None:
        return
    axis.plot([mean.mean + 1], [y], marker, color=color, ms=5, label=label)
    if mean.low is not None and mean.high is not None:
        axis.plot([mean.low + 1, mean.high + 1], [y, y], color=color, lw=1)


def _exponent(axis: Any, lanes: list[Row], y: float) -> None:
    exponent = statistics.mean(row["lyapunov"] for row in lanes)
    if exponent.mean is None or exponent.high is None:
        axis.text(0, y, lanes[0]["lyapunov_status"], va="center", fontsize=7)
        return
    half = exponent.high - exponent.mean
    style: Any = {"fmt": "o", "color": "0.2", "ms": 4, "lw": 1}
    axis.errorbar([exponent.mean], [y], xerr=[[half]], **style)


def precision(runs: Mapping[str, list[Row]], names: list[str], folder: Any) -> None:
    """`precision.png`: median merge time over units, in several arithmetics.

    `runs` maps an arithmetic to rows of the same networks; `names` are the criteria.
    Bands are from the lower to the upper quartile over seeds. If half of the seeds or
    more never met the criterion, a triangle at the last shared step is a lower bound.
    """
    units = sorted({row["hidden_size"] for rows in runs.values() for row in rows})
    with canvas.figure(folder, "precision", 1, 1, (5.6, 3.4)) as (fig, axes):
        axis = axes[0][0]
        colors = zip(names, _palette(len(names)))
        styles = zip(runs, ("-", "--", ":"))
        for (name, color), (label, style) in itertools.product(colors, styles):
            _precision(axis, runs[label], units, name, f", {label}", style, color)
        ylabel = "shared steps until the outputs agree"
        axis.set(xscale="log", yscale="log", xlabel="units", ylabel=ylabel)
        axis.set_xticks(units, units)
        axis.minorticks_off()
        fig.legend(loc="outside right center", frameon=False, fontsize=8)


def _precision(
    axis: Any,
    rows: list[Row],
    units: list[int],
    name: str,
    suffix: str,
    style: str,
    color: Any,
) -> None:
    horizon = rows[0]["shared_steps"]
    by_units = [
        [
            row[f"first_{name}"]
            for row in rows
            if row["hidden_size"] == h and row["status"] != "diverged"
        ]
        for h in units
    ]
    quartiles = [
        np.quantile([horizon if t is None else t + 1 for t in times], QUARTILES)
        for times in by_units
    ]
    low, middle, high = np.transpose(quartiles)
    label = summary.criterion_title(name) + suffix
    axis.plot(units, middle, style, color=color, label=label, lw=1.4)
    axis.fill_between(units, low, high, color=color, alpha=0.15, lw=0)
    censored = [sum(t is None for t in times) * 2 >= len(times) for times in by_units]
    where = np.asarray(censored)
    axis.plot(np.asarray(units)[where], middle[where], "^", color=color)


def _palette(n: int) -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0.0, 0.92, n))
