"""Merge times in several arithmetics, as a picture."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.figures import canvas
from rnnjax.memory_stability import summary
from rnnjax.results.schema import Row


def draw(runs: Mapping[str, list[Row]], names: list[str], folder: Any) -> None:
    """`precision.png`: median merge time over units, in several arithmetics.

    `runs` maps an arithmetic to rows of the same networks; `names` are the criteria.
    Bands are 95 % intervals of the medians over seeds. If half of the seeds or more
    never met the criterion, a triangle at the last shared step is a lower bound.
    """
    every = [row for rows in runs.values() for row in rows]
    units = sorted({row["hidden_size"] for row in every})
    cells = sorted({row["cell"] for row in every})
    with canvas.figure(folder, "precision", 1, 1, (7.0, 4.2)) as (fig, axes):
        axis = axes[0][0]
        pairs = list(itertools.product(names, runs))
        for k, (name, label) in enumerate(pairs):
            title = f"{summary.criterion_title(name)}, {label}"
            _line(axis, runs[label], name, title, canvas.style(k, len(pairs)))
        ylabel = "shared steps until the outputs agree (+1)"
        axis.set(xscale="log", yscale="log", xlabel="units", ylabel=ylabel)
        canvas.ticks_at(axis, units)
        canvas.legend(fig, axes)
        first = next(iter(runs.values()))
        text = (
            f"Lines: medians over {summary.seeds(first)}. Bands: their 95 % intervals. "
            "Triangles: lower bounds, where half of the seeds or more never agreed in "
            f"{every[0]['shared_steps']:,} shared steps."
        )
        canvas.caption(fig, f"{', '.join(cells)}: merge time and arithmetic", text)


def _line(
    axis: Any, rows: list[Row], name: str, label: str, style: dict[str, Any]
) -> None:
    points = []
    for shape, lanes in summary.shapes(rows):
        m = summary.times(lanes, f"first_{name}").median
        if m.median is not None:
            low, high = (m.median if x is None else x for x in (m.low, m.high))
            points.append((shape[3], low, m.median, high))
    if not points:
        return
    units, *times = np.transpose(points)
    low, middle, high = np.minimum(times, rows[0]["shared_steps"]) + 1
    axis.plot(units, middle, label=label, lw=1.4, ms=4, **style)
    axis.fill_between(units, low, high, color=style["color"], alpha=0.15, lw=0)
    beyond = np.isinf(times[1])
    axis.plot(units[beyond], middle[beyond], "^", color=style["color"], ms=8)
