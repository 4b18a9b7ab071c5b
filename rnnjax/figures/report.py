"""The pictures of the report, from what it has computed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from rnnjax.figures import canvas


def predicted(
    points: Mapping[str, Sequence[Any]], tolerance: str, folder: epath.PathLike
) -> None:
    """`predicted.png`: measured over predicted merge times, a marker for each cell.

    `points` are those of `report.predictions` by cell; on the line both are equal.
    """
    with canvas.figure(folder, "predicted", 1, 1, (6.4, 4.4)) as (fig, axes):
        axis = axes[0, 0]
        for k, (name, some) in enumerate(points.items()):
            style = canvas.style(k, len(points)) | {"ls": "none"}
            x, y, low, high = np.transpose([p[2:] for p in some])
            # A time of 0 has no place on a logarithmic axis.
            x, y, low = (np.maximum(values, 0.5) for values in (x, y, low))
            ends = [y - np.minimum(low, y), np.maximum(high, y) - y]
            axis.errorbar(x, y, ends, ms=4, lw=0.8, label=name, **style)
        axis.set(xscale="log", yscale="log")
        canvas.plain_numbers(axis.xaxis)
        canvas.plain_numbers(axis.yaxis)
        limits = (*axis.get_xlim(), *axis.get_ylim())
        both = [min(limits), max(limits)]
        axis.plot(both, both, color="0.6", lw=0.8)
        axis.set(
            xlabel="predicted from the exponent (steps)", ylabel="measured (steps)"
        )
        canvas.legend(fig, axis)
        seeds = sorted({point.seeds for some in points.values() for point in some})
        number = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
        text = (
            f"Steps until outputs agree within {tolerance}. A point is a shape: the "
            f"medians of {number} seeds, with the 95 % interval of the measured one. "
            "Line: both are equal."
        )
        canvas.caption(fig, "What the largest exponent predicts of merge times", text)


def profiles(
    fractions: Mapping[str, np.ndarray],
    factors: np.ndarray,
    problems: int,
    seeds: int,
    folder: epath.PathLike,
) -> None:
    """`profiles.png`: the fraction of problems solved within a factor of the best.

    `fractions` are those of `report.profiles` by optimizer.
    """
    with canvas.figure(folder, "profiles", 1, 1, (6.4, 3.8)) as (fig, axes):
        axis = axes[0, 0]
        for k, (name, line) in enumerate(fractions.items()):
            style = canvas.style(k, len(fractions)) | {"markevery": 12, "ms": 4}
            axis.step(factors, line, where="post", label=name, **style)
        axis.set(xscale="log", ylim=(-0.02, 1.02))
        canvas.plain_numbers(axis.xaxis)
        axis.set(
            xlabel="samples, as a factor of those of the best optimizer",
            ylabel="fraction of problems solved",
        )
        canvas.legend(fig, axis)
        text = (
            f"Of {problems} problems, each a task, network and one of {seeds} seeds: "
            "solved with at most so many times the samples of the optimizer that needs "
            "fewest. Each at its best trial. No interval."
        )
        canvas.caption(fig, "Performance profiles of optimizers", text)
