"""Pictures of short-term memory."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from rnnjax.figures import canvas, recall
from rnnjax.results.schema import Row
from rnnjax.results.statistics import Mean
from rnnjax.short_term_memory import summary
from rnnjax.short_term_memory.schema import (
    LINEAR,
    NUMBERS,
    PROCESSING,
    RECALL,
    SPARSE,
    UNRESPONSIVE,
)

LEAST = 0.01  # R² down to which delays are shown
COLUMNS = 4  # of panels
MEANS = "95 % intervals of means"


def draw(config: Any, rows: list[Row], folder: Any) -> None:
    """All pictures that the rows of a measure allow."""
    del config
    rows = [row for row in rows if row["status"] not in ("diverged", UNRESPONSIVE)]
    if rows:
        DRAW[summary.measure(rows)](rows, folder)


def _linear(rows: list[Row], folder: Any) -> None:
    number = _number(rows)
    delays(rows, number, folder)
    if len({row[number] for row in rows}) > 1:
        capacity(rows, number, folder)


def capacity(rows: list[Row], number: str, folder: Any) -> None:
    """`capacity.png`: linear memory capacity over a number, with its bound."""
    every = _networks(rows, number)
    with canvas.figure(folder, "capacity", 1, 2, (4.2, 3.6), sharey=True) as (
        fig,
        axes,
    ):
        for axis, readout in zip(axes[0], summary.READOUTS):
            for k, (name, some) in enumerate(every.items()):
                style = canvas.style(k, len(every))
                x = sorted({row[number] for row in some if row[number] is not None})
                means = [
                    summary.mean([row for row in some if row[number] == v], key)
                    for v in x
                    for key in [f"capacity_{readout}"]
                ]
                _band(axis, x, means, name, style)
                bound = some[0][f"columns_{readout}"]
                axis.axhline(bound, color=style["color"], ls=":", lw=1, zorder=0)
            axis.set(xlabel=_title(number), title=f"read from the {readout}")
            axis.set_ylim(bottom=0)
            canvas.ticks_at(axis, [row[number] for row in rows if row[number]])
        axes[0][0].set_ylabel("linear memory capacity (steps)")
        canvas.legend(fig, axes)
        text = (
            f"Means over {_seeds(rows)}; bands: {MEANS}. Dotted: the bound, the number "
            "of columns that are read, in the color of the cell. Held out; of delays "
            f"up to {_delays(rows)} whose R² is above the chi^2 threshold; an estimate "
            "may exceed the bound by chance."
        )
        title = f"How much of the past a linear read-out gets, over {_title(number)}"
        canvas.caption(fig, title, text)


def delays(rows: list[Row], number: str, folder: Any) -> None:
    """`delays.png`: R² over the delay, a panel for each network."""
    every = _networks(rows, number)
    values = sorted({row[number] for row in rows if row[number] is not None})
    with _panels(folder, "delays", len(every)) as (fig, axes):
        for axis, (name, lanes) in zip(axes.flat, every.items()):
            last = 1
            for k, value in enumerate(values or [None]):
                some = [row for row in lanes if row[number] == value]
                if not some:
                    continue
                means = summary.curve(some, "r2_state")
                shown = [j for j, m in enumerate(means) if (m.mean or 0) >= LEAST]
                last = max([last, *shown])
                style = canvas.style(k, max(len(values), 1)) | {"marker": ""}
                label = "" if value is None else f"{value:g}"
                _band(axis, range(len(means)), means, label, style)
            axis.set(xlim=(0, last), ylim=(-0.02, 1.05), xlabel="delay (steps)")
            axis.set_title(name)
        for axis in axes[:, 0]:
            axis.set_ylabel("R² held out, from the state")
        if len(values) > 1:
            canvas.legend(fig, axes, _title(number))
        text = (
            f"Lines: means over {_seeds(rows)}; bands: {MEANS}. Of independent inputs. "
            f"Delays at which every mean is below {LEAST} are cut off."
        )
        canvas.caption(fig, "How much of an input is left after a delay", text)


def _processing(rows: list[Row], folder: Any) -> None:
    """`degrees.png`: capacity by degree, stacked up to the bound."""
    number = _number(rows)
    every = _networks(rows, number)
    most = max(len(row["degrees"]) for row in rows)
    with _panels(folder, "degrees", len(every)) as (fig, axes):
        for axis, (name, some) in zip(axes.flat, every.items()):
            x = sorted({row[number] for row in some if row[number] is not None})
            groups = [[row for row in some if row[number] == v] for v in x] or [some]
            bottom = np.zeros(len(groups))
            for n in range(most):
                means = [summary.curve(lanes, "degrees") for lanes in groups]
                height = np.asarray([m[n].mean if n < len(m) else 0.0 for m in means])
                color = canvas.palette(most)[n]
                label = f"{n + 1}"
                axis.bar(
                    range(len(groups)), height, 0.7, bottom, color=color, label=label
                )
                bottom += height
            totals = [summary.mean(lanes, "processing") for lanes in groups]
            ends = np.asarray([[m.low or 0, m.high or 0] for m in totals]).T
            if all(m.low is not None for m in totals):
                axis.vlines(range(len(groups)), *ends, color="0.2", lw=1.5)
            bound = some[0]["state_size"]
            axis.axhline(bound, color="0.4", ls=":", lw=1)
            axis.set_xticks(range(len(groups)), [f"{v:g}" for v in x] or [""])
            top = max([bound, *bottom, *(m.high or 0 for m in totals)])
            axis.set(xlabel=_title(number), ylim=(0, 1.05 * top), title=name)
        for axis in axes[:, 0]:
            axis.set_ylabel("processing capacity")
        canvas.legend(fig, axes, "degree")
        text = (
            f"Bars: means over {_seeds(rows)}, of R² held out, summed over functions "
            f"of a degree; lines at their tops: {MEANS} of the total. Dotted: the "
            "bound, the numbers of the state."
        )
        title = "Which functions of past inputs a linear read-out gets"
        canvas.caption(fig, title, text)


def _sparse(rows: list[Row], folder: Any) -> None:
    """`lengths.png`: recovered length over sparsity."""
    groups = [lanes for _, lanes in summary.shapes(rows)]
    known, every = summary.sparsities(rows), summary.series(rows)
    numbers = summary.varying(rows)
    with canvas.figure(folder, "lengths", 1, 1, (5.2, 3.8)) as (fig, axes):
        axis = axes[0][0]
        for k, lanes in enumerate(groups):
            style = canvas.style(k, len(groups))
            longest, found = (
                lanes[0]["longest"],
                [summary.lengths(lanes, n) for n in known],
            )
            middle, low, high = (
                np.minimum([np.nan if v is None else v for v in some], longest)
                for some in zip(*((m.median, m.low, m.high) for m in found))
            )
            words = [f"{_title(n)} {lanes[0][n]:g}" for n in numbers if lanes[0][n]]
            one = summary.title(summary.series_of(lanes[0]), every)
            axis.plot(known, middle, label=", ".join([one, *words]), ms=4, **style)
            axis.fill_between(known, low, high, color=style["color"], alpha=0.15, lw=0)
            beyond = [j for j, m in enumerate(found) if math.isinf(m.median or 0)]
            at = np.asarray(known)[beyond]
            axis.plot(at, middle[beyond], "^", color=style["color"], ms=9)
            size = lanes[0]["state_size"]
            axis.axhline(size, color=style["color"], ls=":", lw=1, zorder=0)
        axis.set(xscale="log", ylabel="recovered length (steps)")
        axis.set_yscale("symlog", linthresh=1)
        axis.set_ylim(0, 1.5 * groups[0][0]["longest"])
        axis.yaxis.set_major_formatter("{x:g}")
        axis.set_xlabel("inputs that are not 0")
        canvas.ticks_at(axis, known)
        canvas.legend(fig, axes)
        text = (
            f"Medians over {_seeds(rows)}; bands: their 95 % intervals. Triangles: "
            "lower bounds, nothing longer was tried. Dotted: the numbers of the state; "
            "sequences above it are longer than the state. Of the linear response to "
            "small inputs."
        )
        canvas.caption(
            fig, "How long a sparse sequence is recovered from a state", text
        )


DRAW: dict[str, Callable[[list[Row], Any], None]] = {
    LINEAR: _linear,
    PROCESSING: _processing,
    SPARSE: _sparse,
    RECALL: recall.draw,
}


def _band(
    axis: Any, x: Sequence[float], means: Sequence[Mean], label: str, style: Any
) -> None:
    middle, low, high = (
        np.asarray([np.nan if v is None else v for v in some], float)
        for some in zip(*((m.mean, m.low, m.high) for m in means))
    )
    axis.plot(x, middle, label=label, lw=1.3, ms=4, **style)
    axis.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)


@contextlib.contextmanager
def _panels(folder: Any, name: str, count: int) -> Iterator[tuple[Any, np.ndarray]]:
    """A figure of so many panels, at most `COLUMNS` in a row; what is over is empty."""
    columns = min(count, COLUMNS)
    lines = -(-count // columns)
    with canvas.figure(folder, name, lines, columns, (3.4, 3.2)) as (fig, axes):
        for axis in axes.flat[count:]:
            axis.set_axis_off()
        yield fig, axes


def _networks(rows: Sequence[Row], number: str) -> dict[str, list[Row]]:
    """The rows that differ in a number and the seed alone, by what tells them apart."""
    every, others = summary.series(rows), set(summary.varying(rows)) - {number}
    out: dict[str, list[Row]] = {}
    for _, lanes in summary.shapes(rows):
        words = [summary.title(summary.series_of(lanes[0]), every)]
        words += [
            f"{_title(name)} {lanes[0][name]:g}"
            for name in NUMBERS
            if name in others and lanes[0][name] is not None
        ]
        out.setdefault(", ".join(words), []).extend(lanes)
    return out


def _number(rows: Sequence[Row]) -> str:
    """The number that is drawn over: the first that varies."""
    return next(iter(summary.varying(rows)), NUMBERS[0])


def _title(number: str) -> str:
    return number.replace("_", " ")


def _seeds(rows: Sequence[Row]) -> str:
    """How many seeds a point has."""
    counts = sorted({len(lanes) for _, lanes in summary.shapes(rows)})
    if len(counts) == 1:
        return f"{counts[0]} seed{'s' * (counts[0] > 1)}"
    return f"{counts[0]} to {counts[-1]} seeds"


def _delays(rows: Sequence[Row]) -> str:
    return " or ".join(map(str, sorted({row["delays"] for row in rows})))
