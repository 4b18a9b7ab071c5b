"""Pictures of memory stability."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnjax.figures import canvas, hyperparameters, stability_slopes
from rnnjax.figures.canvas import caption, short
from rnnjax.memory_stability import summary
from rnnjax.results import statistics
from rnnjax.results.schema import Row

MAX_COLUMNS = 4  # of panels of `distance.png`
QUARTILES = (0.25, 0.5, 0.75)
COUNTS_WIDTH = 40  # characters, of the numbers beside a line of `cells.png`
LEAST = 0.5  # steps; where a logarithmic scale has the time 0

Cells = dict[tuple[int, int], statistics.Times]  # of a heat map, by row and column


def draw(rows: list[Row], folder: Any) -> None:
    """All pictures that the rows allow.

    If numbers such as `keep_bias` have several values, these are over the numbers.
    """
    if summary.varying(rows):
        hyperparameters.draw(rows, folder)
        return
    several = len(summary.shapes(rows)) > len(summary.series(rows))
    if several and summary.is_grid(rows):
        heatmap(rows, folder)
    if len(_groups(rows)) > 1:
        cells(rows, folder)
    distance(rows, folder)
    stability_slopes.draw(rows, folder)


def heatmap(rows: list[Row], folder: Any) -> None:
    """`heatmap.png`: median merge time by input size and units, with its interval.

    A panel for each series and criterion; each criterion has one color scale. If some
    seeds never met the criterion, the shape is hatched and shows how many did.
    """
    names, series = summary.criteria(rows), summary.series(rows)
    inputs = sorted({row["input_size"] for row in rows})
    units = sorted({row["hidden_size"] for row in rows})
    panels = list(itertools.product(series, names))
    columns = min(3, len(names)) if len(series) == 1 else len(names)
    size = (max(3.4, 0.6 * len(units) + 1.6), max(2.4, 0.4 * len(inputs) + 1.1))
    grid_rows = -(-len(panels) // columns)
    horizon = rows[0]["shared_steps"]
    times = {one: _times(rows, *one, inputs, units) for one in panels}
    with canvas.figure(folder, "heatmap", grid_rows, columns, size) as (fig, axes):
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for name in names:
            some = [k for k, panel in enumerate(panels) if panel[1] == name]
            norm = _norm([times[panels[k]] for k in some], horizon)
            for k in some:
                one = panels[k][0]
                image = _heat(axes.flat[k], times[one, name], horizon, norm)
                title = f"{summary.title(*one)}: {summary.criterion_title(name)}"
                axes.flat[k].set_title(title)
                _sizes(axes.flat[k], inputs, units)
            bar = fig.colorbar(image, ax=[axes.flat[k] for k in some], fraction=0.04)
            canvas.bar_ticks(bar, norm, LEAST)
        caption(fig, "Merge times by size", _heat_caption(rows))


def _times(
    rows: list[Row],
    series: summary.Series,
    name: str,
    inputs: list[int],
    units: list[int],
) -> Cells:
    lanes = [row for row in rows if summary.series_of(row) == series]
    return {
        (inputs.index(shape[2]), units.index(shape[3])): summary.times(
            some, f"first_{name}"
        )
        for shape, some in summary.shapes(lanes)
    }


def _norm(panels: list[Cells], horizon: int) -> Any:
    """The color scale of a criterion."""
    from matplotlib import colors

    medians = [t.median.median for cells in panels for t in cells.values()]
    values = [max(min(m, horizon), LEAST) for m in medians if m is not None]
    low, high = (min(values), max(values)) if values else (1.0, 10.0)
    return colors.LogNorm(low, max(high, 1.01 * low))  # fails if both are equal


def _heat(axis: Any, times: Cells, horizon: int, norm: Any) -> Any:
    from matplotlib import colormaps, patches

    values = np.full([1 + max(k) for k in zip(*times)], np.nan)
    for (i, j), t in times.items():
        median, text, small = t.median.median, "div.", ""
        if median is not None:
            values[i, j] = max(min(median, horizon), LEAST)
            text = ("≥" if np.isinf(median) else "") + short(min(median, horizon))
            small = summary.met(t).strip() or _limits(t.median)
        if summary.met(t):
            hatch: Any = {"hatch": "///", "edgecolor": "0.6", "lw": 0}
            box = patches.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, **hatch)
            axis.add_patch(box)
        color = colormaps["viridis"](norm(values[i, j])) if t.n else (1, 1, 1, 1)
        dark = 0.3 * color[0] + 0.6 * color[1] + 0.1 * color[2] < 0.5
        style: Any = {"ha": "center", "color": "white" if dark else "black"}
        axis.text(j, i, text, va="bottom" if small else "center", fontsize=7, **style)
        axis.text(j, i + 0.05, small, va="top", fontsize=5.5, **style)
    return axis.imshow(values, cmap="viridis", norm=norm, aspect="auto")


def _limits(m: statistics.Median) -> str:
    """The interval of a time, rounded outward to whole steps."""
    if m.low is None or m.high is None:
        return ""
    return f"{short(np.floor(m.low))}–{short(np.ceil(m.high))}"


def _sizes(axis: Any, inputs: list[int], units: list[int]) -> None:
    axis.set_xticks(range(len(units)), units)
    axis.set_yticks(range(len(inputs)), inputs)
    axis.set_xlabel("units")
    axis.set_ylabel("input size")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def _heat_caption(rows: list[Row]) -> str:
    text = (
        "First shared step at which both outputs agree: median over "
        f"{summary.seeds(rows)}, below it its 95 % interval (from 5 seeds on), of "
        f"{rows[0]['dtype']} runs with {rows[0]['shared_steps']:,} shared steps. "
        "Hatched: some seeds never did (how many did); ≥: a lower bound, where half or "
        "more never did. Colors: steps, one logarithmic scale for each criterion."
    )
    if any(row["status"] == "diverged" for row in rows):
        text += " Lanes that diverged are left out; div.: all did."
    return text


def distance(rows: list[Row], folder: Any) -> None:
    """`distance.png`: the largest difference of the outputs over shared steps.

    A panel for each series and input size, a line for each number of units: the median
    over seeds, with a band from the lower to the upper quartile. A line ends where the
    median is exactly 0, and a band where the upper quartile is.
    """

    def panel_of(row: Row) -> tuple[summary.Series, int]:
        return summary.series_of(row), row["input_size"]

    steps = summary.sample_steps(rows[0]["shared_steps"])
    panels = sorted({panel_of(row) for row in rows})
    units = sorted({row["hidden_size"] for row in rows})
    positive = [d for row in rows for d in row["distance"] if d]
    least = min(positive, default=1e-9) / 2  # the lower edge
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
            _distances(axis, steps, lanes, units, least)
            inputs = f"{panel[1]} input{'s' if panel[1] > 1 else ''}"
            axis.set_title(f"{summary.title(*panel[0])}, {inputs}")
        for column in axes.T:
            visible = [axis for axis in column if axis.get_visible()]
            visible[-1].set_xlabel("shared steps")
            visible[-1].tick_params(labelbottom=True)
        for axis in axes[:, 0]:
            axis.set_ylabel("largest difference")
        canvas.legend(fig, axes, "units")
        text = (
            f"Lines: medians over {summary.seeds(rows)}, to where they are exactly 0. "
            "Bands: lower to upper quartile of the seeds, no interval; one that "
            "reaches the lower edge has a lower quartile of 0."
        )
        caption(fig, "Largest difference of the outputs of a pair", text)


def _distances(
    axis: Any,
    steps: np.ndarray,
    rows: list[Row],
    units: Sequence[int],
    least: float,
) -> None:
    for k, hidden_size in enumerate(units):
        curves = [
            row["distance"]
            for row in rows
            if row["hidden_size"] == hidden_size and row["status"] != "diverged"
        ]
        if curves:
            quartiles = np.quantile(np.asarray(curves, float), QUARTILES, axis=0)
            low = np.maximum(quartiles[0], least)
            middle, high = (np.where(q > 0, q, np.nan) for q in quartiles[1:])
            style = canvas.style(k, len(units)) | {"marker": ""}
            axis.plot(steps, middle, lw=1.2, label=hidden_size, **style)
            color = style["color"]
            axis.fill_between(steps, low, high, color=color, alpha=0.2, lw=0)
    axis.set(xscale="symlog", yscale="log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_ylim(bottom=least)
    if not axis.lines:
        where = {"transform": axis.transAxes, "ha": "center", "fontsize": 8}
        axis.text(0.5, 0.5, "all lanes diverged", **where)


def _groups(rows: list[Row]) -> dict[str, list[Row]]:
    """The lines of `cells.png`: series, or single shapes if sizes are not crossed."""
    groups: dict[str, list[Row]] = {}
    grid = summary.is_grid(rows)
    for (cell, weights, inputs, units, layers, *_), lanes in summary.shapes(rows):
        name = summary.title(cell, layers, weights)
        label = name if grid else f"{name}, {summary.sizes(inputs, units)}"
        groups.setdefault(label, []).extend(lanes)
    return groups


def cells(rows: list[Row], folder: Any) -> None:
    """`cells.png`: merge times and largest Lyapunov exponents, a line for each series.

    Medians over seeds with 95 % intervals; a seed counts once, with the median over its
    shapes. Triangles are beyond the axis: times that half of the seeds or more do not
    have, and exponents of minus infinity. Lines are sorted by the strictest tolerance.
    """
    names, groups = summary.criteria(rows), _groups(rows)
    times = {
        (one, name): summary.times(lanes, f"first_{name}")
        for one, lanes in groups.items()
        for name in names
    }

    def strictest(one: str) -> float:
        median = times[one, names[-1]].median.median
        return -1.0 if median is None else median

    order = sorted(groups, key=strictest)
    size = (5.2, 0.26 * len(order) + 1.8)
    with canvas.figure(folder, "cells", 1, 2, size, sharey=True) as (fig, axes):
        left, right = axes[0]
        for k, name in enumerate(names):
            offset = 0.6 * ((k + 0.5) / len(names) - 0.5)
            style = canvas.style(k, len(names)) | {"ls": "none", "ms": 5}
            left.plot([], [], label=summary.criterion_title(name), **style)
            for y, one in enumerate(order):
                horizon = groups[one][0]["shared_steps"]
                _time(left, times[one, name], horizon, y + offset, style)
        for y, one in enumerate(order):
            text = _counts({name: times[one, name] for name in names})
            where: Any = {"xycoords": left.get_yaxis_transform(), "fontsize": 6}
            left.annotate(text, (1.02, y), va="center", **where)
        _exponents(right, [groups[one] for one in order])
        left.set_yticks(range(len(order)), order)
        left.set(xscale="log", xlabel="first shared step that agrees (+1)")
        canvas.plain_numbers(left.xaxis)
        right.set_xlabel("largest Lyapunov exponent (nats a step)")
        canvas.legend(fig, left)
        caption(fig, "Merge times and exponents", _cells_caption(rows))


def _cells_caption(rows: list[Row]) -> str:
    inputs = ", ".join(map(str, sorted({row["input_size"] for row in rows})))
    units = ", ".join(map(str, sorted({row["hidden_size"] for row in rows})))
    several = len(summary.shapes(rows)) > len(_groups(rows))
    text = (
        f"Inputs {inputs}; units {units}. Medians over {summary.seeds(rows)}"
        f"{' (of the median over shapes)' if several else ''}; lines: their 95 % "
        "intervals (from 5 seeds on). 4/10: seeds that met a criterion, if not all "
        "did. Triangles: lower bounds, where half or more did not in the whole run, or "
        "exponents of minus infinity."
    )
    if summary.exponent(rows).dead:
        text += " Dead lanes have an exponent of minus infinity."
    return text


def _time(
    axis: Any, t: statistics.Times, horizon: int, y: float, style: dict[str, Any]
) -> None:
    m = t.median
    if m.median is None:
        return
    bound = {"marker": ">"} if np.isinf(m.median) else {}
    axis.plot([min(m.median, horizon) + 1], [y], **(style | bound))
    if m.low is not None and m.high is not None:
        ends = [min(m.low, horizon) + 1, min(m.high, horizon) + 1]
        axis.plot(ends, [y, y], color=style["color"], lw=1)


def _counts(times: Mapping[str, statistics.Times]) -> str:
    """How many seeds met each criterion that not all of them met."""
    counts = {name: summary.met(t).strip() for name, t in times.items()}
    if len(set(counts.values())) == 1:
        (count,) = set(counts.values())
        return f"each {count}" if count else ""
    text = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return textwrap.fill(text, COUNTS_WIDTH)


def _exponents(axis: Any, groups: Sequence[list[Row]]) -> None:
    """A line for each series, and beside it how many of its lanes are dead."""
    found = [summary.exponent(lanes) for lanes in groups]
    numbers = [
        (e.median.low, e.median.median, e.median.high)
        for e in found
        if e.median.median is not None
    ]
    known = [x for three in numbers for x in three if x is not None and np.isfinite(x)]
    least, most = min(known, default=-1.0), max([*known, 0.0])
    edge = least - 0.05 * (most - least or 1.0)
    axis.axvline(0, color="0.8", lw=0.8, zorder=0)
    for y, e in enumerate(found):
        middle, low, high = e.median.median, e.median.low, e.median.high
        text = f"dead {e.dead}/{e.lanes}" if e.dead else ""
        if middle is None:
            axis.text(edge, y, e.status, va="center", fontsize=7)
            continue
        right = x = max(middle, edge)
        axis.plot([x], [y], "o" if np.isfinite(middle) else "<", color="0.2", ms=4)
        if low is not None and high is not None:
            right = max(high, edge)
            axis.plot([max(low, edge), right], [y, y], color="0.2", lw=1)
        axis.text(right, y, f"  {text}", va="center", fontsize=7)
