"""How memory grows with units and inputs, as a picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.figures import canvas
from rnnjax.memory_stability import slopes, summary
from rnnjax.results.schema import Row


def draw(rows: list[Row], folder: Any) -> None:
    """`slopes.png`: medians over units, a line for each input size; or the reverse.

    A panel for each series, tolerance, and the exponent; its title has the slopes. It
    is drawn if there are sizes enough for slopes.
    """
    found = slopes.slopes(rows)
    if not found:
        return
    sizes = {one.size for one in found}
    x = "hidden_size" if "hidden_size" in sizes else "input_size"
    series = sorted({one.series for one in found})
    quantities = _quantities(rows)
    grid: Any = {"sharex": True}
    size = (3.2, 2.9)
    with canvas.figure(
        folder, "slopes", len(series), len(quantities), size, **grid
    ) as (fig, axes):
        for row_of_axes, one in zip(axes, series):
            lanes = [row for row in rows if summary.series_of(row) == one]
            for axis, quantity in zip(row_of_axes, quantities):
                _lines(axis, lanes, quantity, x)
                some = [s for s in found if (s.series, s.quantity) == (one, quantity)]
                axis.set_title(_title(one, quantity, some), fontsize=9)
        for axis in axes[-1]:
            axis.set_xlabel(slopes.NAMES[x])
        canvas.legend(fig, axes, slopes.NAMES[slopes.OTHER[x]])
        text = (
            f"Lines: medians over {summary.seeds(rows)}, where they are known; without "
            "intervals, which heatmap.png and summary.csv have. Titles: slopes over "
            f"log2(size) of networks of {slopes.MIN_UNITS} units or more (from the "
            "dotted line on), over all other sizes: mean ± half of its 95 % interval "
            "over seeds."
        )
        canvas.caption(fig, f"Growth of memory with {slopes.NAMES[x]}", text)


def _quantities(rows: Sequence[Row]) -> list[str]:
    """Times within the tolerances, if there are any, and the exponent."""
    every = slopes.quantities(rows)
    return [one for one in every if one != "first_cosine"] if len(every) > 2 else every


def _lines(axis: Any, rows: Sequence[Row], quantity: str, x: str) -> None:
    other = slopes.OTHER[x]
    levels = sorted({row[other] for row in rows})
    for k, level in enumerate(levels):
        lanes = [row for row in rows if row[other] == level]
        sizes = sorted({row[x] for row in lanes})
        middle = []
        for size in sizes:
            some = [row for row in lanes if row[x] == size]
            if quantity == slopes.EXPONENT:
                median = summary.exponent(some).median.median
            else:
                median = summary.times(some, quantity).median.median
            finite = median is not None and np.isfinite(median)
            middle.append(median if finite else np.nan)
        style = canvas.style(k, len(levels))
        axis.plot(sizes, middle, label=level, lw=1, ms=3, **style)
    if x == "hidden_size":
        axis.axvline(slopes.MIN_UNITS, color="0.8", ls=":", lw=0.8, zorder=0)
    exponent = quantity == slopes.EXPONENT
    axis.set_ylabel("nats a step" if exponent else "shared steps")
    canvas.ticks_at(axis, sizes)


def _title(series: summary.Series, quantity: str, found: Sequence[slopes.Slope]) -> str:
    name = quantity.removeprefix("first_")
    words = "exponent" if quantity == slopes.EXPONENT else summary.criterion_title(name)
    lines = [f"{summary.title(*series)}, {words}"]
    for size, label in slopes.NAMES.items():
        some = [one for one in found if one.size == size]
        if some:  # the first is over all other sizes
            lines.append(f"{slopes.text(some[0])} a doubling of {label}")
    return "\n".join(lines)
