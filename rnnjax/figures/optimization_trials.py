"""Accuracy by learning rate, and by how many trials a method may make."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.figures import canvas
from rnnjax.figures import optimization_panels as panels_lib
from rnnjax.figures.optimization_panels import Panel
from rnnjax.optimization import summary
from rnnjax.optimization.schema import DEFAULT, DIVERGED, RATES
from rnnjax.results.schema import Row

RATE = "learning_rate"
CELL = 0.36  # inches that a number needs
DARK = 0.6  # accuracy up to which a color has white text on it
TICK = 0.45  # inches of a power of ten that has place for its label
HALF = 0.46  # of the height of a row
LOG_BUDGET = 8  # trials from which their number has a logarithmic axis


def rates(rows: Sequence[Row], folder: Any) -> None:
    """`rates.png`: test accuracy by method and learning rate, if rates were searched.

    A method with one rate is left out.
    """
    rows = [row for row in rows if row["search"] == RATES and row[RATE] is not None]
    kept = [lanes for _, lanes in summary.methods(rows) if len(_by_rate(lanes)) > 1]
    if not kept:
        return
    rows = [row for lanes in kept for row in lanes]
    found = panels_lib.panels(rows)
    names = list(panels_lib.styles(found))
    edges = [edge for lanes in kept for edge in _edges(list(_by_rate(lanes)))]
    narrow = min(np.diff(_edges(list(_by_rate(lanes)))).min() for lanes in kept)
    columns = min(len(found), 2)
    margin = 0.7 + 0.07 * max(map(len, names))
    width = max(4.2, min(9.0, margin + CELL * (max(edges) - min(edges)) / narrow))
    inches = (width - margin) / (max(edges) - min(edges))
    step = 1 if inches > TICK else 2
    size = width, 0.9 + 0.36 * len(names)
    lines = -(-len(found) // columns)
    with canvas.figure(
        folder, "rates", lines, columns, size, sharex=True, sharey=True
    ) as (fig, axes):
        for axis in axes.flat[len(found) :]:
            axis.set_axis_off()
        for axis, panel in zip(axes.flat, found):
            for name, lanes in panel.lines.items():
                _rates(axis, names.index(name), lanes, inches)
            axis.set(title=panel.name, xlabel="learning rate")
            axis.set(xlim=(min(edges), max(edges)), ylim=(len(names) - 0.5, -0.5))
            decades = range(math.ceil(min(edges)), math.floor(max(edges)) + 1, step)
            axis.set_xticks(decades, [f"$10^{{{n}}}$" for n in decades])
            axis.set_yticks(range(len(names)), names)
            axis.tick_params(left=False, labelbottom=True)
            axis.spines[:].set_visible(False)
        _bar(fig, axes, lines)
        text = (
            f"Means over {panels_lib.seeds(rows)}; a training that diverged counts as "
            "0; how many did (div.) is written in a cell. Framed: the default."
        )
        canvas.caption(fig, "Test accuracy by learning rate", text)


def _by_rate(lanes: Sequence[Row]) -> dict[float, list[Row]]:
    """The lanes of each learning rate, from the lowest."""
    known = sorted({row[RATE] for row in lanes})
    return {rate: [row for row in lanes if row[RATE] == rate] for rate in known}


def _edges(known: Sequence[float]) -> np.ndarray:
    """Where the cells of rates end, in powers of ten: halfway between two rates."""
    x = np.log10(known)
    middle = (x[1:] + x[:-1]) / 2
    return np.array([2 * x[0] - middle[0], *middle, 2 * x[-1] - middle[-1]])


def _rates(axis: Any, place: int, lanes: Sequence[Row], inches: float) -> None:
    """The cells of one method; `inches` is the width of a power of ten."""
    from matplotlib import colormaps, patches

    by_rate = _by_rate(lanes)
    edges = _edges(list(by_rate))
    for some, low, high in zip(by_rate.values(), edges, edges[1:]):
        mean = float(np.mean([summary.score(row) for row in some]))
        where = ((low, place - HALF), high - low, 2 * HALF)
        axis.add_patch(patches.Rectangle(*where, color=colormaps["viridis"](mean)))
        if any(row["trial"] == DEFAULT for row in some):
            frame: Any = {"fill": False, "ec": "black", "lw": 2, "zorder": 3}
            axis.add_patch(patches.Rectangle(*where, **frame))
        wide = (high - low) * inches > 0.8 * CELL
        text = [f"{mean:.2f}"] if wide else []
        if lost := sum(row["status"] == DIVERGED for row in some):
            text.append(f"{lost} div." if wide else f"{lost}\ndiv.")
        style = {"ha": "center", "va": "center", "fontsize": 7 if wide else 5.5}
        color = "white" if mean < DARK else "black"
        axis.text((low + high) / 2, place, "\n".join(text), color=color, **style)


def _bar(fig: Any, axes: Any, lines: int) -> None:
    from matplotlib import cm, colors

    scale = cm.ScalarMappable(colors.Normalize(0, 1), "viridis")
    fig.colorbar(scale, ax=axes, label="test accuracy", shrink=1 / lines)


def budget(rows: Sequence[Row], folder: Any) -> None:
    """`budget.png`: the expected test accuracy of the best of k searched trials."""
    found = [
        Panel(panel.name, lines)
        for panel in panels_lib.panels(rows)
        if (lines := {k: v for k, v in panel.lines.items() if summary.searched(v)})
    ]
    every = [lanes for panel in found for lanes in panel.lines.values()]
    most = max((summary.budget(lanes).shape[1] for lanes in every), default=0)
    if most < 2:
        return
    with panels_lib.figure(folder, "budget", len(found), sharey=True) as (fig, axes):
        for axis, panel in zip(axes.flat, found):
            _budget(axis, panel, found, most)
        for axis in axes[:, 0]:
            axis.set_ylabel("expected test accuracy")
        canvas.legend(fig, axes)
        text = (
            "The best of k trials is that with the highest validation accuracy; means "
            f"over {panels_lib.seeds(rows)}"
            f"{panels_lib.intervals(rows, 'bands and bars')}. Hollow: the defaults. A "
            "training that diverged counts as 0."
        )
        canvas.caption(fig, "What tuning is worth: the best of k trials", text)


def _budget(axis: Any, panel: Panel, found: Sequence[Panel], most: int) -> None:
    log = most >= LOG_BUDGET
    styles, beside = panels_lib.styles(found), panels_lib.beside(found)
    for name, lanes in panel.lines.items():
        curve = summary.budget(lanes)
        x = np.arange(1, curve.shape[1] + 1)
        means = [summary.mean(column) for column in curve.T]
        marked = [k - 1 for k in summary.budgets(len(x))]
        panels_lib.band(axis, x, means, label=name, markevery=marked, **styles[name])
        if some := summary.default(lanes):
            one = summary.mean([summary.score(row) for row in some])
            low, high = (one.value if v is None else v for v in (one.low, one.high))
            place = 2 ** (0.6 * beside[name] - 0.8) if log else 0.2 + 0.6 * beside[name]
            ends = [[one.value - low], [high - one.value]]
            hollow = styles[name] | {"mfc": "white", "ls": "", "ms": 5}
            axis.errorbar(place, one.value, ends, lw=1, **hollow)
    middle = 2**-0.8 if log else 0.2
    axis.axvline(2**-0.35 if log else 0.65, color="0.8", lw=0.8)
    if log:
        axis.set_xscale("log", base=2)
    ticks = summary.budgets(most) if log else range(1, most + 1)
    axis.set_xticks([middle, *ticks], ["defaults", *ticks])
    axis.minorticks_off()
    axis.set(title=panel.name, xlabel="trials (k)", ylim=(-0.02, 1.03))
