"""What pictures of optimization have in common: panels, lines, and words about them."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rnnjax.figures import canvas
from rnnjax.optimization import summary
from rnnjax.optimization.schema import CURES, INITIALIZERS, OPTIMIZERS
from rnnjax.results.bootstrap import Estimate
from rnnjax.results.schema import Row

# What the lines of a panel differ in; panels differ in the rest of a method.
LINES: dict[str, tuple[str, ...]] = {
    OPTIMIZERS: ("optimizer",),
    INITIALIZERS: ("initializer",),
    CURES: ("cell", "activation", "initializer", "hidden_size", "optimizer"),
}
COLUMNS = {1: 1, 2: 2, 4: 2}  # of so many panels; 3 of others
SIZES = {1: (5.6, 3.8), 2: (4.2, 3.6), 3: (3.5, 3.3)}  # of a panel, by columns
MARKERS_A_LINE = 8


@dataclasses.dataclass(frozen=True)
class Panel:
    """A task and network; `lines` are all lanes of each method, by its name."""

    name: str
    lines: dict[str, list[Row]]

    @property
    def first(self) -> Row:
        return next(iter(self.lines.values()))[0]


def panels(rows: Sequence[Row]) -> list[Panel]:
    """The methods as lines of panels, in the order of the rows."""
    keys = LINES[rows[0]["study"]]
    firsts = [lanes[0] for _, lanes in summary.methods(rows)]
    same = {key: firsts[0][key] for key in keys}
    found: dict[str, dict[str, list[Row]]] = {}
    for first, (_, lanes) in zip(firsts, summary.methods(rows)):
        words = [summary.task(first)]
        if "cell" not in keys:
            others = [other | same for other in firsts]
            words.append(summary.title(first | same, others))
        line = first[keys[0]] if len(keys) == 1 else summary.title(first, firsts)
        found.setdefault(", ".join(words), {})[line] = lanes
    return [Panel(name, lines) for name, lines in found.items()]


def styles(found: Sequence[Panel]) -> dict[str, dict[str, Any]]:
    """How each method is drawn, the same in all panels."""
    names = dict.fromkeys(name for panel in found for name in panel.lines)
    return {name: canvas.style(k, len(names)) for k, name in enumerate(names)}


def beside(found: Sequence[Panel]) -> dict[str, float]:
    """From -1/2 to 1/2, for each method: keeps apart what stands at one place."""
    names = list(styles(found))
    return {name: (k + 0.5) / len(names) - 0.5 for k, name in enumerate(names)}


@contextlib.contextmanager
def figure(
    folder: Any, name: str, count: int, **subplots: Any
) -> Iterator[tuple[Any, np.ndarray]]:
    """A figure of so many panels; places that are over are empty."""
    columns = COLUMNS.get(count, 3)
    lines, size = -(-count // columns), SIZES[columns]
    with canvas.figure(folder, name, lines, columns, size, **subplots) as (fig, axes):
        for axis in axes.flat[count:]:
            axis.set_axis_off()
        yield fig, axes


def shown(lanes: Sequence[Row]) -> list[Row]:
    """For each seed the chosen trial, or the defaults if none was searched."""
    return summary.chosen(lanes) or summary.default(lanes)


def trial(rows: Sequence[Row]) -> str:
    """Which trial is `shown`, for a caption."""
    if not summary.searched(rows):
        return "at the defaults"
    if any(row["until_solved"] for row in rows):
        return (
            "at the trial that solves the task with fewest samples, or has the best "
            "validation accuracy, chosen for each seed"
        )
    return "at the trial with the best validation accuracy, chosen for each seed"


def seeds(rows: Sequence[Row]) -> str:
    """How many seeds a method has."""
    counts = [len(summary.seeds(lanes)) for _, lanes in summary.methods(rows)]
    least, most = min(counts), max(counts)
    if least < most:
        return f"{least} to {most} seeds"
    return f"{most} seed{'s' * (most > 1)}"


def intervals(rows: Sequence[Row], what: str) -> str:
    """What bands or bars are; nothing of a single seed, which has none."""
    if len({row["seed"] for row in rows}) == 1:
        return ""
    return f"; {what}: their 95 % intervals"


def band(
    axis: Any, x: Sequence[float] | np.ndarray, means: Sequence[Estimate], **style: Any
) -> None:
    """A line with its intervals; `style` has a color."""
    style = {"lw": 1.3, "ms": 4, "markevery": marked(len(x))} | style
    axis.plot(x, [m.value for m in means], **style)
    if all(m.low is not None for m in means):
        low, high = [m.low for m in means], [m.high for m in means]
        axis.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)


def marked(points: int) -> int:
    """Every which of so many points has a marker."""
    return max(1, points // MARKERS_A_LINE)


def level(axis: Any, panel: Panel) -> None:
    """A line at the accuracy from which the task counts as solved."""
    axis.axhline(panel.first["solved_accuracy"], color="0.5", ls=":", lw=1, zorder=0)
