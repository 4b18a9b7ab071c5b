"""Three views of memory as one picture: linear capacity, merge time, and exponent."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.figures import canvas
from rnnjax.memory_stability import summary as stability
from rnnjax.results.schema import Row
from rnnjax.short_term_memory import summary as short_term

NUMBER = "recurrent_gain"
CRITERION = "1e-4"


class View(NamedTuple):
    """The label of an axis, and middle, low and high of some lanes; inf is censored."""

    label: str
    rows: list[Row]
    value: Callable[[Sequence[Row]], tuple[float | None, ...]]


def views(capacities: list[Row], times: list[Row]) -> list[View]:
    """The panels, from rows of linear memory and of memory stability."""

    def capacity(lanes: Sequence[Row]) -> tuple[float | None, ...]:
        m = short_term.mean(lanes, "capacity_state")
        return m.mean, m.low, m.high

    def time(lanes: Sequence[Row]) -> tuple[float | None, ...]:
        m = stability.times(lanes, f"first_{CRITERION}").median
        return m.median, m.low, m.high

    def exponent(lanes: Sequence[Row]) -> tuple[float | None, ...]:
        m = stability.exponent(lanes).median
        return m.median, m.low, m.high

    return [
        View("linear memory capacity (steps)", capacities, capacity),
        View(f"shared steps until within {CRITERION}", times, time),
        View("largest exponent (nats a step)", times, exponent),
    ]


def draw(capacities: list[Row], times: list[Row], remark: str, folder: Any) -> None:
    """`views.png`: each view over the recurrent gain, a line for each cell.

    The remark, on what is seen, ends the caption.
    """
    cells = sorted({row["cell"] for row in capacities})
    horizon = times[0]["shared_steps"]
    with canvas.figure(folder, "views", 1, 3, (3.6, 3.4)) as (fig, axes):
        for axis, view in zip(axes[0], views(capacities, times)):
            for k, cell in enumerate(cells):
                lanes = [row for row in view.rows if row["cell"] == cell]
                style = canvas.style(k, len(cells))
                x = sorted({row[NUMBER] for row in lanes})
                found = [
                    view.value([row for row in lanes if row[NUMBER] == gain])
                    for gain in x
                ]
                middle, low, high = (
                    np.asarray([np.nan if v is None else v for v in some], float)
                    for some in zip(*found)
                )
                if view.rows is times:  # exponents are below every horizon
                    beyond = middle == np.inf
                    middle, low, high = (
                        np.minimum(v, horizon) for v in (middle, low, high)
                    )
                    at = np.asarray(x)[beyond]
                    axis.plot(at, middle[beyond], "^", color=style["color"], ms=9)
                axis.plot(x, middle, label=cell, lw=1.3, ms=4, **style)
                axis.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)
            axis.set(xlabel="recurrent gain", ylabel=view.label)
        axes[0][1].set_yscale("log")
        canvas.plain_numbers(axes[0][1].yaxis)
        axes[0][2].axhline(0, color="0.5", lw=0.8, zorder=0)
        canvas.legend(fig, axes)
        one = capacities[0]
        seeds = len({row["seed"] for row in capacities})
        text = (
            f"{one['hidden_size']} units, one normal input of variance 1, {seeds} "
            "seeds: the same networks in the second and third panel, others of the "
            "same distribution in the first. Means (first) and medians, with 95 % "
            f"intervals. Triangles: lower bounds, no agreement in {horizon:,} shared "
            f"steps. {remark}"
        )
        canvas.caption(fig, "Three views of memory over the recurrent gain", text)
