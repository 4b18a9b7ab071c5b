"""Validation accuracy in the course of trainings."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.figures import canvas
from rnnjax.figures import optimization_panels as panels_lib
from rnnjax.optimization import summary
from rnnjax.optimization.schema import DIVERGED, THEN
from rnnjax.results.bootstrap import Estimate
from rnnjax.results.schema import Row

MOST_POINTS = 40  # of a line
LONG_NAME = 10  # a longer one is written in several lines
UPDATES, EPOCHS = "updates", "epoch"
SAMPLES = "samples whose gradient was computed"
KEPT = (
    "A training that has ended keeps its last accuracy, one that diverged has 0 from "
    "then on."
)


def curves(rows: Sequence[Row], folder: Any) -> None:
    """`curves.png`: validation accuracy over the epoch, a line for each method."""
    found = panels_lib.panels(rows)
    styles = panels_lib.styles(found)
    with panels_lib.figure(folder, "curves", len(found), sharey=True) as (fig, axes):
        for axis, panel in zip(axes.flat, found):
            lanes = {name: panels_lib.shown(some) for name, some in panel.lines.items()}
            unit = _unit([row for some in lanes.values() for row in some])
            for name, some in lanes.items():
                x, means = mean_curve(some, unit)
                panels_lib.band(axis, x, means, label=name, **styles[name])
            panels_lib.level(axis, panel)
            axis.set(title=panel.name, xlabel=unit, ylim=(-0.02, 1.03))
            if unit == SAMPLES:  # methods differ by orders of magnitude
                axis.set_xscale("log")
        for axis in axes[:, 0]:
            axis.set_ylabel("validation accuracy")
        canvas.legend(fig, axes)
        text = (
            f"Means over {panels_lib.seeds(rows)}, {panels_lib.trial(rows)}"
            f"{panels_lib.intervals(rows, 'bands')}. Dotted: the solved level. {KEPT}"
        )
        canvas.caption(fig, "Accuracy in the course of the training", text)


def _unit(rows: Sequence[Row]) -> str:
    """What the x-axis counts: samples if methods differ in what an update costs."""
    if _varies(rows) or len({row["batch"] for row in rows}) > 1:
        return SAMPLES
    return UPDATES if rows[0]["epoch"] is None else EPOCHS


def _varies(rows: Sequence[Row]) -> bool:
    """Whether an update can cost more than one gradient."""
    keys = ("curve_updates", "curve_gradients", "validation_accuracy")
    return any(
        updates != gradients and accuracy is not None
        for row in rows
        for updates, gradients, accuracy in zip(*(row[key] for key in keys))
    )


def mean_curve(lanes: Sequence[Row], unit: str) -> tuple[np.ndarray, list[Estimate]]:
    """The mean accuracy of trainings of one method, and where it was computed.

    Where seeds were scored at different numbers of samples, each has the accuracy of
    its last score at each of them, from where all have one.
    """
    known = [_points(row, unit) for row in lanes]
    if unit == SAMPLES and _varies(lanes):
        x = np.unique(np.concatenate([at for at, _ in known]))
        x = x[x >= max(at[0] for at, _ in known if len(at))]
        x = x[np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(int))]
    else:
        x = _places(lanes[0], "curve_updates", unit)
    values = np.array([_at(x, *one, row) for one, row in zip(known, lanes)])
    return x, [summary.mean(column) for column in values.T]


def _places(row: Row, key: str, unit: str) -> np.ndarray:
    """The points of a curve in a unit of the x-axis, from updates or gradients."""
    scale = {UPDATES: 1, EPOCHS: 1 / (row["epoch"] or 1), SAMPLES: row["batch"]}
    return np.asarray(row[key], float) * scale[unit]


def _points(row: Row, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """The points of a curve until the training ended."""
    y = np.array([np.nan if v is None else v for v in row["validation_accuracy"]])
    key = "curve_gradients" if unit == SAMPLES else "curve_updates"
    known = np.isfinite(y)
    return _places(row, key, unit)[known], y[known]


def _at(at: np.ndarray, x: np.ndarray, y: np.ndarray, row: Row) -> np.ndarray:
    """The accuracy where it was computed last, or 0 of a training that has diverged."""
    if not len(x):
        return np.zeros(len(at))
    values = y[np.searchsorted(x, at, side="right") - 1]
    return np.where((at > x[-1]) & (row["status"] == DIVERGED), 0.0, values)


def orders(given: Sequence[str], rows: Sequence[Row], folder: Any) -> None:
    """`orders.png`: one network trained by optimizers in turn, a panel for each order.

    `given` are the optimizers in the order that comes first, framed.
    """
    found = panels_lib.panels(rows)
    first, names = THEN.join(given), dict.fromkeys(row["optimizer"] for row in rows)
    names = dict.fromkeys(sorted(names, key=lambda name: name != first))
    every = [
        (panel, name, panel.lines[name])
        for panel in found
        for name in names
        if name in panel.lines
    ]
    colors = dict(zip(given, canvas.palette(len(given))))
    with panels_lib.figure(folder, "orders", len(every), sharey=True) as (fig, axes):
        for axis, (panel, name, lanes) in zip(axes.flat, every):
            _order(axis, lanes, colors)
            panels_lib.level(axis, panel)
            words = [panel.name] if len(found) > 1 else []
            words += ["the order given"] if name == first else []
            axis.set_title(": ".join(words), fontweight="bold" if words else None)
            for spine in axis.spines.values():
                spine.set(visible=name == first or spine.get_visible())
                spine.set_linewidth(1.6 if name == first else 0.8)
        for axis in axes[:, 0]:
            axis.set_ylabel("validation accuracy")
        text = (
            f"Means over {panels_lib.seeds(rows)}"
            f"{panels_lib.intervals(rows, 'bands')}. Each optimizer goes on with the "
            "network of the one before, so the last gets the credit for all; numbers: "
            "the mean at its end. Framed: the order given. Dotted: the solved "
            f"level. All at their defaults. {KEPT}"
        )
        title = "One network trained by one optimizer after another, in every order"
        canvas.caption(fig, title, text)


def _order(axis: Any, lanes: Sequence[Row], colors: Any) -> None:
    """The curve of one order, a color for each optimizer."""
    unit = UPDATES if lanes[0]["epoch"] is None else EPOCHS
    names = lanes[0]["optimizer"].split(THEN)
    x, means = mean_curve(lanes, unit)
    top = 1.5 if any(len(name) > LONG_NAME for name in names) else 1.28
    each, length = len(x) // len(names), x[-1] / len(names)
    for k, name in enumerate(names):
        part = slice(max(k * each - 1, 0), (k + 1) * each)
        panels_lib.band(axis, x[part], means[part], color=colors[name])
        if k:
            axis.axvline(k * length, color="0.3", lw=0.8)
        words = name.replace("_", "\n") if len(name) > LONG_NAME else name
        axis.text(
            (k + 0.5) * length,
            top - 0.03,
            f"{words}\n{means[part][-1].value:.2f}",
            ha="center",
            va="top",
            fontsize=7.5,
            color=colors[name],
        )
    axis.set(xlabel=unit, xlim=(0, x[-1]), ylim=(-0.02, top))
    axis.set_yticks(np.linspace(0, 1, 6))
