"""Pictures and tables of capacity."""

import itertools

import numpy as np

from rnnjax import statistics
from rnnjax.figures import canvas
from rnnjax.figures.stability import series, title

__all__ = ["bound", "loss", "series", "shapes", "summary", "title"]


def shapes(rows: list[dict]):
    """Pairs of (cell, hidden size, layers) and the rows of that shape."""

    def key(row):
        return row["cell"], row["hidden_size"], row["layers"]

    return [(shape, list(group)) for shape, group in itertools.groupby(sorted(rows, key=key), key)]


def bound(units: int, size: int) -> float:
    """The least mean squared error a number of a linear read-out: max(0, 1 - units / size)."""
    return max(0.0, 1 - units / size)


def summary(rows: list[dict]) -> list[dict]:
    """One flat line a shape: parameters, mean and spread of the loss over seeds, the bound, lanes that diverged."""
    lines = []
    for (cell, hidden_size, layers), lanes in shapes(rows):
        mean = statistics.mean(row["loss"] for row in lanes if row["status"] == "trained")
        line = {"cell": cell, "depth": layers, "units": hidden_size, "parameters": lanes[0]["parameters"], "seeds": len(lanes)}
        line |= {"loss": mean.mean, "loss_sd": mean.sd, "loss_low": mean.low, "loss_high": mean.high}
        line |= {"chance": lanes[0]["chance"], "measure": lanes[0]["measure"]}
        if lanes[0]["task"] == "units":
            line |= {"bound": bound(hidden_size, lanes[0]["input_size"])}
        lines.append(line | {"diverged": sum(row["status"] == "diverged" for row in lanes)})
    return lines


def loss(rows: list[dict], folder) -> None:
    """`loss.png`: the loss against units, mean and range over seeds; for the task `units` with 1 - units / size drawn in."""
    size, task = rows[0]["input_size"], rows[0]["task"]
    with canvas.figure(folder, "loss", 1, 1, (5.2, 3.4)) as (fig, axes):
        axis = axes[0][0]
        n = np.asarray(sorted({row["hidden_size"] for row in rows}))
        if task == "units":
            axis.plot(n, [bound(k, size) for k in n], color="0.7", lw=4, label=f"1 - units/{size}", zorder=0)
        for cell, layers in series(rows):
            here = {
                k: [r["loss"] for r in lanes if r["loss"] is not None]
                for (c, k, m), lanes in shapes(rows)
                if (c, m) == (cell, layers)
            }
            here = {k: losses for k, losses in here.items() if losses}
            means = [np.mean(losses) for losses in here.values()]
            line = axis.plot(list(here), means, "o-", ms=3, lw=1, label=title(cell, layers))[0]
            axis.fill_between(
                list(here),
                [min(v) for v in here.values()],
                [max(v) for v in here.values()],
                color=line.get_color(),
                alpha=0.2,
                lw=0,
            )
        axis.set(xlabel="units", ylabel=rows[0]["measure"])
        seeds = len({row["seed"] for row in rows})
        fig.suptitle(f"task {task}; {seeds} seeds, {rows[0]['updates']:,} updates, nothing searched over", fontsize=9)
        fig.legend(loc="outside right center", frameon=False, fontsize=8)
