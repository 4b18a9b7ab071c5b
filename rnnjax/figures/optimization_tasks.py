"""Which tasks are solved: over the length, and how soon over all tasks."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.figures import canvas
from rnnjax.figures import optimization_panels as panels_lib
from rnnjax.figures.optimization_panels import Panel
from rnnjax.optimization import summary
from rnnjax.results import bootstrap
from rnnjax.results.schema import Row

APART = 0.012  # between lines that would hide one another
SPREAD = 0.1  # of the x-axis: what keeps the points of one length apart
LEAST_FACTOR = 4.0  # that a profile goes to


def solved(rows: Sequence[Row], folder: Any) -> None:
    """`solved.png`: fraction of trainings that solve a task, over the length.

    A panel for each task that has two lengths or more.
    """
    by_task: dict[str, set[int | None]] = {}
    for row in rows:
        by_task.setdefault(row["task"], set()).add(row["length"])
    # The lengths of a task are one panel.
    merged = [
        row | {"length": None, "at": row["length"]}
        for row in rows
        if len(by_task[row["task"]]) > 1
    ]
    if not merged:
        return
    found = panels_lib.panels(merged)
    with panels_lib.figure(folder, "solved", len(found), sharey=True) as (fig, axes):
        for axis, panel in zip(axes.flat, found):
            _solved(axis, panel, found)
        for axis in axes[:, 0]:
            axis.set_ylabel("fraction that solves the task")
        canvas.legend(fig, axes)
        text = (
            f"Of {panels_lib.seeds(rows)}, {panels_lib.trial(rows)}; bars: Wilson's "
            "95 % intervals. Points of one length are set apart. Solved: the "
            f"validation accuracy was at {_levels(merged)} at some time."
        )
        canvas.caption(fig, "Which lengths are solved", text)


def _solved(axis: Any, panel: Panel, found: Sequence[Panel]) -> None:
    styles, beside = panels_lib.styles(found), panels_lib.beside(found)
    lengths = sorted({row["at"] for lanes in panel.lines.values() for row in lanes})
    canvas.ticks_at(axis, lengths)
    log = axis.get_xscale() == "log"
    for name, lanes in panel.lines.items():
        some = [[row for row in lanes if row["at"] == n] for n in lengths]
        known = [
            (n, summary.solved(panels_lib.shown(one)))
            for n, one in zip(lengths, some)
            if one
        ]
        x, parts = zip(*known)
        mean, low, high = np.array([(p.mean, p.low, p.high) for p in parts]).T
        shift = SPREAD * beside[name]
        span = lengths[-1] / lengths[0] if log else lengths[-1] - lengths[0]
        at = np.array(x) * span**shift if log else np.array(x) + span * shift
        ends = [mean - low, high - mean]
        axis.errorbar(at, mean, ends, label=name, lw=1.3, ms=4, **styles[name])
    axis.set(title=panel.name, xlabel="length", ylim=(-0.03, 1.03))


def _levels(rows: Sequence[Row]) -> str:
    known = sorted({row["solved_accuracy"] for row in rows})
    return " or ".join(f"{level:g}" for level in known)


def profile(rows: Sequence[Row], folder: Any) -> None:
    """`profile.png`: fraction of tasks solved within a factor of the best method.

    Of methods that were tried on all tasks, if there are two of both, and one task is
    solved.
    """
    found = panels_lib.panels(rows)
    names = [
        name
        for name in panels_lib.styles(found)
        if all(name in panel.lines for panel in found)
    ]
    if len({summary.task(row) for row in rows}) < 2 or len(names) < 2:
        return
    times = np.array([[_time(panel.lines[name]) for panel in found] for name in names])
    if not np.isfinite(times).any():
        return
    best = times.min(axis=0)
    ratios = times[:, np.isfinite(best)] / best[np.isfinite(best)]
    top = max(LEAST_FACTOR, 1.3 * ratios[np.isfinite(ratios)].max())
    factors = np.unique([*np.geomspace(1, top, 200), *ratios[ratios <= top]])
    known = bootstrap.performance_profile(times, factors)
    with panels_lib.figure(folder, "profile", 1) as (fig, axes):
        axis, beside = axes[0][0], np.arange(len(names)) - (len(names) - 1) / 2
        for name, line, shift in zip(names, known, beside):
            style = panels_lib.styles(found)[name] | {"marker": ""}
            axis.step(
                factors, line + APART * shift, where="post", label=name, lw=1.5, **style
            )
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set(xlabel="factor of the samples that the best method needed")
        axis.set(ylabel="fraction of tasks solved", xlim=(1, top), ylim=(-0.06, 1.06))
        canvas.legend(fig, axes)
        never = int(np.isinf(best).sum())
        text = (
            f"Over the {len(found)} tasks of curves.png. "
            "Time: the samples whose gradient was computed until the validation "
            f"accuracy was at the solved level, median over {panels_lib.seeds(rows)}, "
            f"{panels_lib.trial(rows)}."
            + f" No method solves {never} of them." * (never > 0)
            + " Lines are set a little apart; without intervals."
        )
        canvas.caption(fig, "Performance profile: how soon a task is solved", text)


def _time(lanes: Sequence[Row]) -> float:
    """The median of the samples until the task is solved; inf if half never do."""
    times = sorted(summary.samples(row) for row in panels_lib.shown(lanes))
    middle = len(times) // 2
    return (times[middle] + times[~middle]) / 2 if times else math.inf
