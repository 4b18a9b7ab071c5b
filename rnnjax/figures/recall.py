"""Pictures of recall: accuracy over the number of pairs, and over the length."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnnjax.figures import canvas
from rnnjax.results.schema import Row
from rnnjax.results.statistics import Mean
from rnnjax.short_term_memory import recall_summary

Points = list[tuple[int, Mean]]


def draw(rows: list[Row], folder: Any) -> None:
    """`recall.png`: two panels for each cell and depth, a line for each size."""
    columns = sorted({(row["cell"], row["layers"]) for row in rows})
    units = sorted({row["hidden_size"] for row in rows})
    first = rows[0]
    with canvas.figure(folder, "recall", 2, len(columns), (2.9, 2.6), sharey=True) as (
        fig,
        axes,
    ):
        for column, (cell, layers) in zip(axes.T, columns):
            some = [
                row for row in rows if (row["cell"], row["layers"]) == (cell, layers)
            ]
            _panel(column[0], some, units, recall_summary.by_pairs)
            _panel(column[1], some, units, recall_summary.by_length)
            values = round(1 / first["chance_accuracy"])
            guess = [recall_summary.without_keys(n, values) for n in first["pairs"]]
            column[0].plot(first["pairs"], guess, color="0.4", ls=":", lw=1)
            column[0].axvline(first["trained_pairs"], color="0.8", lw=1, zorder=0)
            column[1].axvline(first["trained_length"], color="0.8", lw=1, zorder=0)
            for axis in column:
                axis.axhline(first["chance_accuracy"], color="0.6", ls="--", lw=0.8)
            column[0].set(title=cell + f", {layers} layers" * (layers > 1))
            column[0].set(xlabel="pairs", ylim=(0, 1.03))
            column[1].set_xlabel("length (steps)")
            canvas.ticks_at(column[1], first["lengths"])
        for axis in axes[:, 0]:
            axis.set_ylabel("queries answered right")
        canvas.legend(fig, axes, "units")
        seeds = len({row["seed"] for row in rows})
        text = (
            f"Means over {seeds} trainings; bands: 95 % intervals. Vertical line: up "
            "to where networks were trained. Dotted: what a network gets that knows "
            "the values but not their keys; dashed: chance."
        )
        canvas.caption(fig, "Recall of key-value pairs", text)


def _panel(
    axis: Any,
    rows: list[Row],
    units: Sequence[int],
    points: Callable[[Sequence[Row]], Points],
) -> None:
    for k, size in enumerate(units):
        lanes = [row for row in rows if row["hidden_size"] == size]
        if not lanes:
            continue
        x, means = zip(*points(lanes))
        middle, low, high = (
            np.asarray([np.nan if v is None else v for v in some], float)
            for some in zip(*((m.mean, m.low, m.high) for m in means))
        )
        style = canvas.style(k, len(units))
        axis.plot(x, middle, label=size, lw=1.3, ms=4, **style)
        axis.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)
