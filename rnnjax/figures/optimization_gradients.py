"""How far back the gradient reaches, before and after trainings."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.figures import canvas
from rnnjax.figures import optimization_panels as panels_lib
from rnnjax.figures.optimization_panels import Panel
from rnnjax.optimization import summary
from rnnjax.results import statistics
from rnnjax.results.schema import Row

START = ("cell", "activation", "initializer", "hidden_size")  # decide the first weights
SPAN = 1e-12  # of the highest norm: what is below is not drawn
SHARED = "0.35"  # the color of a start that several methods have


def gradients(rows: Sequence[Row], folder: Any) -> None:
    """`gradients.png`: the norm of the gradient by the lag, before and after.

    Of tasks of two steps or more.
    """
    rows = [row for row in rows if len(row["lags"]) > 1]
    if not rows:
        return
    found = panels_lib.panels(rows)
    with panels_lib.figure(folder, "gradients", len(found)) as (fig, axes):
        for axis, panel in zip(axes.flat, found):
            _panel(axis, panel, panels_lib.styles(found))
        for axis in axes[:, 0]:
            axis.set_ylabel("norm of the gradient by the state")
        canvas.legend(fig, axes)
        text = (
            f"Medians over {panels_lib.seeds(rows)} of the mean norm over samples. "
            "Dashed: before training, gray if methods share that start. Solid: after "
            f"training, {panels_lib.trial(rows)}; trainings that diverged are left "
            "out. Bands: 95 % intervals of medians, from 5 seeds on."
        )
        canvas.caption(fig, "How far back the gradient reaches", text)


def _panel(axis: Any, panel: Panel, styles: Any) -> None:
    starts: dict[tuple[Any, ...], list[str]] = {}
    for name, lanes in panel.lines.items():
        starts.setdefault(tuple(lanes[0][key] for key in START), []).append(name)
    for names in starts.values():
        lanes = [some[0] for some in summary.seeds(panel.lines[names[0]])]
        color = styles[names[0]]["color"] if len(names) == 1 else SHARED
        _line(axis, lanes, "gradient_start", color=color, ls="--")
    for name, lanes in panel.lines.items():
        style = styles[name] | {"ls": "-", "label": name}
        _line(axis, panels_lib.shown(lanes), "gradient_end", **style)
    axis.plot([], [], color=SHARED, ls="--", label="before training")
    axis.set(title=panel.name, xlabel="lag (steps before the last)", yscale="log")
    axis.xaxis.get_major_locator().set_params(integer=True)
    top = max((y for line in axis.lines for y in line.get_ydata() if y > 0), default=1)
    axis.set_ylim(bottom=max(axis.get_ylim()[0], SPAN * top))


def _line(axis: Any, lanes: Sequence[Row], key: str, **style: Any) -> None:
    """Medians over lanes that have the gradients; 0 is not on a logarithmic axis."""
    known = [row[key] for row in lanes if None not in row[key]]
    if not known:
        axis.plot([], [], **style)
        return
    x, medians = lanes[0]["lags"], [statistics.median(v) for v in zip(*known)]
    y = [m.median or np.nan for m in medians]
    axis.plot(x, y, lw=1.3, ms=4, markevery=panels_lib.marked(len(x)), **style)
    if medians[0].low is not None:
        low, high = [m.low for m in medians], [m.high for m in medians]
        axis.fill_between(x, low, high, color=style["color"], alpha=0.1, lw=0)
