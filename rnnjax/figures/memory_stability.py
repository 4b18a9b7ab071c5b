"""Pictures and tables of memory stability."""

import itertools
import textwrap

import numpy as np

from rnnjax.figures import canvas
from rnnjax.results import statistics

LABELS = {"identical": "identical outputs", "cosine": "cosine similarity 1"}


def criteria(rows: list[dict]) -> list[str]:
    """The criteria that rows were measured with, in their order."""
    return [key.removeprefix("first_") for key in rows[0] if key.startswith("first_")]


def shapes(rows: list[dict]):
    """Pairs of (cell, input size, hidden size, layers) and the rows of that shape."""

    def key(row):
        return row["cell"], row["input_size"], row["hidden_size"], row["layers"]

    return [
        (shape, list(group))
        for shape, group in itertools.groupby(sorted(rows, key=key), key)
    ]


def times(rows: list[dict], key: str) -> statistics.Times:
    """The times `key` of rows of one shape; lanes that diverged have none and are left out."""
    sound = [row for row in rows if row["status"] != "diverged"]
    return statistics.censored(
        [row[key] for row in sound], rows[0]["steps"] - rows[0]["unique_steps"]
    )


def summary(rows: list[dict]) -> list[dict]:
    """One flat line a shape: lanes by status; for each time its share, median, restricted mean and interval; exponent; floor."""
    lines = []
    for (cell, input_size, hidden_size, layers), lanes in shapes(rows):
        line = {
            "cell": cell,
            "input_size": input_size,
            "hidden_size": hidden_size,
            "layers": layers,
            "seeds": len(lanes),
        }
        line |= {
            status: sum(row["status"] == status for row in lanes)
            for status in ("merged", "apart", "diverged")
        }
        for key in (key for key in lanes[0] if key.startswith(("first_", "settled_"))):
            t = times(lanes, key)
            line |= {
                f"{key}_share": t.share,
                f"{key}_median": t.median,
                f"{key}_mean": t.restricted.mean,
            }
            line |= {f"{key}_low": t.restricted.low, f"{key}_high": t.restricted.high}
        exponent = statistics.mean(row["lyapunov"] for row in lanes)
        for key in (key for key in lanes[0] if key.startswith("predicted_")):
            line |= {f"{key}_mean": statistics.mean(row[key] for row in lanes).mean}
        floors = [row["floor"] for row in lanes if row["floor"] is not None]
        line |= {
            "lyapunov": exponent.mean,
            "lyapunov_sd": exponent.sd,
            "lyapunov_n": exponent.n,
        }
        line |= {"floor_median": float(np.median(floors)) if floors else None}
        lines.append(line)
    return lines


def number(value: float) -> str:
    """A time in at most five characters."""
    if value < 10:
        return f"{value:.1f}"
    return f"{value:.0f}" if value < 10_000 else f"{value / 1000:.0f}k"


def entry(lanes: list[dict], name: str) -> str:
    """The first time of criterion `name` over lanes of one shape, as a table shows it.

    The mean and half its interval; where lanes are censored, a lower bound of the mean and how many are not.
    """
    t = times(lanes, f"first_{name}")
    if t.n == 0:
        return "diverged"
    if t.share == 0:
        return f">={lanes[0]['steps'] - lanes[0]['unique_steps']}"
    if t.share < 1:
        return f">={number(t.restricted.mean)} {round(t.share * t.n)}/{t.n}"
    half = (
        ""
        if t.restricted.low is None
        else f" ±{number(t.restricted.high - t.restricted.mean)}"
    )
    return f"{number(t.restricted.mean)}{half}"


def series(rows: list[dict]) -> list[tuple[str, int]]:
    """The pairs of cell and number of layers in rows."""
    return sorted({(row["cell"], row["layers"]) for row in rows})


def title(cell: str, layers: int) -> str:
    return cell if layers == 1 else f"{cell} x{layers}"


def heatmap(rows: list[dict], folder) -> None:
    """`heatmap.png`: mean of the first time by input size and units, a panel for each criterion and cell.

    Every panel has its own colours. Censored shapes are hatched and show a lower bound with the number of lanes that met the
    criterion.
    """
    names, cells = criteria(rows), series(rows)
    inputs, units = (
        sorted({row[key] for row in rows}) for key in ("input_size", "hidden_size")
    )
    panels = list(itertools.product(cells, names))
    across = min(3, len(names)) if len(cells) == 1 else len(names)
    size = (max(3.0, 0.5 * len(units) + 1.2), max(2.4, 0.36 * len(inputs) + 1.1))
    with canvas.figure(folder, "heatmap", -(-len(panels) // across), across, size) as (
        fig,
        axes,
    ):
        for axis, (cell, name) in itertools.zip_longest(
            axes.flat, panels, fillvalue=(None, None)
        ):
            if cell is None:
                axis.set_visible(False)
                continue
            here = {
                shape: lanes
                for shape, lanes in shapes(rows)
                if (shape[0], shape[3]) == cell
            }
            _heat(axis, here, f"first_{name}", inputs, units)
            axis.set_title(f"{title(*cell)}: {LABELS.get(name, f'within {name}')}")
        fig.suptitle(
            textwrap.fill(_caption(rows), int(13 * fig.get_figwidth())), fontsize=9
        )


def _heat(axis, lanes_by_shape, key, inputs, units) -> None:
    from matplotlib import colormaps, colors, patches

    where = {
        (inputs.index(i), units.index(h)): times(lanes, key)
        for (_, i, h, _), lanes in lanes_by_shape.items()
    }
    values = np.full((len(inputs), len(units)), np.nan)
    for place, t in where.items():
        values[place] = np.nan if t.n == 0 else max(t.restricted.mean, 0.1)
    low, high = (
        (np.nanmin(values), np.nanmax(values))
        if np.isfinite(values).any()
        else (1.0, 10.0)
    )
    norm = colors.LogNorm(low, max(high, 1.01 * low))
    axis.imshow(values, cmap="viridis", norm=norm, aspect="auto")
    for (i, j), t in where.items():
        if t.n and t.share == 1:
            text = number(t.restricted.mean)
        else:
            text = (
                f"≥{number(t.restricted.mean)}\n{round(t.share * t.n)}/{t.n}"
                if t.n
                else "div."
            )
            axis.add_patch(
                patches.Rectangle(
                    (j - 0.5, i - 0.5),
                    1,
                    1,
                    fill=False,
                    hatch="///",
                    edgecolor="0.6",
                    lw=0,
                )
            )
        red, green, blue, _ = colormaps["viridis"](norm(values[i, j]) if t.n else 1.0)
        dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
        axis.text(
            j,
            i,
            text,
            ha="center",
            va="center",
            fontsize=7,
            color="white" if dark else "black",
        )
    axis.set_xticks(range(len(units)), units)
    axis.set_yticks(range(len(inputs)), inputs)
    axis.set_xlabel("units")
    axis.set_ylabel("input size")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def _caption(rows: list[dict]) -> str:
    seeds = len({row["seed"] for row in rows})
    shared = rows[0]["steps"] - rows[0]["unique_steps"]
    return (
        f"First shared step at which both outputs agree: mean over {seeds} seeds of {rows[0]['dtype']} runs with "
        f"{shared:,} shared steps. Hatched: some seeds never did (how many did, and a lower bound of the mean)."
        + (
            " Lanes that diverged are left out; div.: all did."
            if any(row["status"] == "diverged" for row in rows)
            else ""
        )
    )


def distance(rows: list[dict], sample_steps: np.ndarray, folder) -> None:
    """`distance.png`: the largest difference of the two outputs over shared steps, a line for each number of units.

    Lines are medians over seeds, bands the middle half; a line ends where the median is exactly 0. A panel for each
    input size and cell.
    """
    panels = sorted({(row["cell"], row["layers"], row["input_size"]) for row in rows})
    units = sorted({row["hidden_size"] for row in rows})
    across = min(4, len(panels))
    down = -(-len(panels) // across)
    with canvas.figure(
        folder, "distance", down, across, (3.2, 2.5), sharex=True, sharey=True
    ) as (fig, axes):
        colors = _palette(len(units))
        for axis, (cell, layers, input_size) in itertools.zip_longest(
            axes.flat, panels, fillvalue=(None, None, None)
        ):
            if cell is None:
                axis.set_visible(False)
                continue
            for hidden_size, color in zip(units, colors):
                lanes = [
                    r
                    for r in rows
                    if (r["cell"], r["layers"], r["input_size"], r["hidden_size"])
                    == (cell, layers, input_size, hidden_size)
                ]
                lanes = [r for r in lanes if r["status"] != "diverged"]
                if lanes:
                    _band(
                        axis,
                        sample_steps,
                        np.asarray([r["distance"] for r in lanes], float),
                        color,
                        hidden_size,
                    )
            axis.set_title(
                f"{title(cell, layers)}, {input_size} input{'s' * (input_size > 1)}"
            )
            axis.set(xscale="symlog", yscale="log")
            if not any(line.get_label() for line in axis.lines):
                axis.text(
                    0.5,
                    0.5,
                    "all lanes diverged",
                    transform=axis.transAxes,
                    ha="center",
                    fontsize=8,
                )
        lowest = [
            max((axis for axis in column if axis.get_visible()), key=list(column).index)
            for column in axes.T
        ]
        for axis in lowest:
            axis.set_xlabel("shared steps")
            axis.tick_params(labelbottom=True)
        for axis in axes[:, 0]:
            axis.set_ylabel("largest difference")
        found = {
            name: handle
            for axis in axes.flat
            for handle, name in zip(*axis.get_legend_handles_labels())
        }
        found = dict(sorted(found.items(), key=lambda item: int(item[0])))
        fig.legend(
            found.values(),
            found.keys(),
            title="units",
            loc="outside right center",
            frameon=False,
        )


def _band(axis, steps, curves, color, label) -> None:
    low, middle, high = (
        np.where(q > 0, q, np.nan)
        for q in np.quantile(curves, [0.25, 0.5, 0.75], axis=0)
    )
    axis.plot(steps, middle, color=color, lw=1.2, label=label)
    axis.fill_between(steps, low, high, color=color, alpha=0.2, lw=0)


def cells(rows: list[dict], folder) -> None:
    """`cells.png`: first times and largest Lyapunov exponents, a line for each cell; means over all its lanes with 95 % intervals.

    A triangle marks a lower bound: some lanes never met the criterion. Cells stand in the order of the strictest tolerance.
    """
    names, groups = (
        criteria(rows),
        {
            one: [r for r in rows if (r["cell"], r["layers"]) == one]
            for one in series(rows)
        },
    )
    found = {
        (one, name): times(lanes, f"first_{name}")
        for one, lanes in groups.items()
        for name in names
    }
    order = sorted(
        groups,
        key=lambda one: (
            found[one, names[-1]].n > 0,
            found[one, names[-1]].restricted.mean or 0.0,
        ),
    )
    with canvas.figure(
        folder, "cells", 1, 2, (4.6, 0.24 * len(order) + 1.6), sharey=True
    ) as (fig, axes):
        left, right = axes[0]
        for k, (name, color) in enumerate(zip(names, _palette(len(names)))):
            for line, one in enumerate(order):
                t, y = found[one, name], line + 0.5 * ((k + 0.5) / len(names) - 0.5)
                if t.n:
                    mean = t.restricted
                    label = LABELS.get(name, f"within {name}") if line == 0 else None
                    left.plot(
                        [mean.mean + 1],
                        [y],
                        "o" if t.share == 1 else ">",
                        color=color,
                        ms=5,
                        label=label,
                    )
                    if mean.low is not None:
                        left.plot(
                            [max(mean.low, 0) + 1, mean.high + 1],
                            [y, y],
                            color=color,
                            lw=1,
                        )
        for y, one in enumerate(order):
            exponent = statistics.mean(row["lyapunov"] for row in groups[one])
            if exponent.sd is not None:
                right.errorbar(
                    [exponent.mean],
                    [y],
                    xerr=[[exponent.high - exponent.mean]],
                    fmt="o",
                    color="0.2",
                    ms=4,
                    lw=1,
                )
            else:
                right.text(
                    0, y, groups[one][0]["lyapunov_status"], va="center", fontsize=7
                )
        left.set_yticks(range(len(order)), [title(*one) for one in order])
        left.set(xscale="log", xlabel="first shared step that agrees (+1)")
        right.axvline(0, color="0.8", lw=0.8, zorder=0)
        right.set_xlabel("largest Lyapunov exponent (nats a step)")
        inputs, units = (
            sorted({row[key] for row in rows}) for key in ("input_size", "hidden_size")
        )
        fig.suptitle(
            f"inputs {', '.join(map(str, inputs))}; units {', '.join(map(str, units))}",
            fontsize=9,
        )
        handles, labels = left.get_legend_handles_labels()
        fig.legend(
            handles, labels, loc="outside right center", frameon=False, fontsize=8
        )


def precision(runs: dict[str, list[dict]], names: list[str], folder) -> None:
    """`precision.png`: median first time over units, for runs of the same networks in several arithmetics.

    `runs` maps an arithmetic to its rows; `names` are the criteria drawn. Bands are the middle half of the seeds. Where half of the
    seeds or more never met the criterion, an upward triangle stands at the last shared step: the time is longer than that.
    """
    units = sorted({row["hidden_size"] for rows in runs.values() for row in rows})
    with canvas.figure(folder, "precision", 1, 1, (5.6, 3.4)) as (fig, axes):
        axis = axes[0][0]
        for (name, color), (label, style) in itertools.product(
            zip(names, _palette(len(names))), zip(runs, ("-", "--", ":"))
        ):
            rows = runs[label]
            horizon = rows[0]["steps"] - rows[0]["unique_steps"]
            first = [
                [
                    r[f"first_{name}"]
                    for r in rows
                    if r["hidden_size"] == h and r["status"] != "diverged"
                ]
                for h in units
            ]
            filled = [
                [horizon if t is None else t + 1 for t in times] for times in first
            ]
            low, middle, high = np.transpose(
                [np.quantile(times, [0.25, 0.5, 0.75]) for times in filled]
            )
            text = f"{LABELS.get(name, f'within {name}')}, {label}"
            axis.plot(units, middle, style, color=color, label=text, lw=1.4)
            axis.fill_between(units, low, high, color=color, alpha=0.15, lw=0)
            censored = np.asarray(
                [sum(t is None for t in times) * 2 >= len(times) for times in first]
            )
            axis.plot(np.asarray(units)[censored], middle[censored], "^", color=color)
        axis.set(
            xscale="log",
            yscale="log",
            xlabel="units",
            ylabel="shared steps until the outputs agree",
        )
        axis.set_xticks(units, units)
        axis.minorticks_off()
        fig.legend(loc="outside right center", frameon=False, fontsize=8)


def _palette(n: int):
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0.0, 0.92, n))
