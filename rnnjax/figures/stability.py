"""Pictures and tables of memory stability."""

import itertools

import numpy as np

from rnnjax import statistics
from rnnjax.figures import canvas

LABELS = {"identical": "identical outputs", "cosine": "cosine similarity 1"}


def criteria(rows: list[dict]) -> list[str]:
    """The criteria that rows were measured with, in their order."""
    return [key.removeprefix("first_") for key in rows[0] if key.startswith("first_")]


def shapes(rows: list[dict]):
    """Pairs of (cell, input size, hidden size, layers) and the rows of that shape."""

    def key(row):
        return row["cell"], row["input_size"], row["hidden_size"], row["layers"]

    return [(shape, list(group)) for shape, group in itertools.groupby(sorted(rows, key=key), key)]


def times(rows: list[dict], key: str) -> statistics.Times:
    """The times `key` of rows of one shape; lanes that diverged have none and are left out."""
    sound = [row for row in rows if row["status"] != "diverged"]
    return statistics.censored([row[key] for row in sound], rows[0]["steps"] - rows[0]["unique_steps"])


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
        line |= {status: sum(row["status"] == status for row in lanes) for status in ("merged", "apart", "diverged")}
        for key in (key for key in lanes[0] if key.startswith(("first_", "settled_"))):
            t = times(lanes, key)
            line |= {f"{key}_share": t.share, f"{key}_median": t.median, f"{key}_mean": t.restricted.mean}
            line |= {f"{key}_low": t.restricted.low, f"{key}_high": t.restricted.high}
        exponent = statistics.mean(row["lyapunov"] for row in lanes)
        floors = [row["floor"] for row in lanes if row["floor"] is not None]
        line |= {"lyapunov": exponent.mean, "lyapunov_sd": exponent.sd, "lyapunov_n": exponent.n}
        line |= {"floor_median": float(np.median(floors)) if floors else None}
        lines.append(line)
    return lines


def number(value: float) -> str:
    """A time in at most five characters."""
    if value < 10:
        return f"{value:.1f}"
    return f"{value:.0f}" if value < 10_000 else f"{value / 1000:.0f}k"


def entry(t: statistics.Times, horizon: int) -> str:
    """A time as a table shows it: mean and half its interval; where lanes are censored, a bound and the share that is not."""
    if t.n == 0:
        return "diverged"
    if t.share == 0:
        return f">={horizon}"
    if t.share < 1:
        return f">={number(t.restricted.mean)} {round(t.share * t.n)}/{t.n}"
    half = "" if t.restricted.low is None else f" ±{number(t.restricted.mean - t.restricted.low)}"
    return f"{number(t.restricted.mean)}{half}"


def heatmap(rows: list[dict], folder) -> None:
    """`heatmap.png`: mean of the first time by input size and units, a panel a criterion and a row of panels a cell.

    Censored shapes are hatched and show a lower bound with the share of lanes that met the criterion.
    """
    names, cells = criteria(rows), sorted({row["cell"] for row in rows})
    inputs, units = (sorted({row[key] for row in rows}) for key in ("input_size", "hidden_size"))
    size = (0.62 * len(units) + 1.3, 0.42 * len(inputs) + 1.3)
    with canvas.figure(folder, "heatmap", len(cells), len(names), size) as (fig, axes):
        for (i, cell), (j, name) in itertools.product(enumerate(cells), enumerate(names)):
            here = [(shape, lanes) for shape, lanes in shapes(rows) if shape[0] == cell]
            _heat(axes[i][j], here, f"first_{name}", inputs, units)
            axes[i][j].set_title(f"{cell}: {LABELS.get(name, f'within {name}')}")
        fig.suptitle(_caption(rows), fontsize=9)


def _heat(axis, lanes_by_shape, key, inputs, units) -> None:
    from matplotlib import colors, patches

    values = np.full((len(inputs), len(units)), np.nan)
    for (_, input_size, hidden_size, _), lanes in lanes_by_shape:
        i, j = inputs.index(input_size), units.index(hidden_size)
        t = times(lanes, key)
        horizon = lanes[0]["steps"] - lanes[0]["unique_steps"]
        values[i, j] = np.nan if t.n == 0 else t.restricted.mean
        if t.n and t.share == 1:
            text = number(t.restricted.mean)
        else:
            bound = number(horizon if t.share == 0 else t.restricted.mean) if t.n else ""
            text = f"≥{bound}\n{round(t.share * t.n)}/{t.n}" if t.n else "div."
            axis.add_patch(patches.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, hatch="///", edgecolor="0.6", lw=0))
        red, green, blue, _ = _color(values[i, j])
        dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
        axis.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    axis.imshow(values, cmap="viridis", norm=colors.LogNorm(1, 1e5, clip=True), aspect="auto")
    axis.set_xticks(range(len(units)), units)
    axis.set_yticks(range(len(inputs)), inputs)
    axis.set_xlabel("units")
    axis.set_ylabel("input size")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def _color(value: float):
    from matplotlib import colormaps, colors

    return colormaps["viridis"](colors.LogNorm(1, 1e5, clip=True)(max(value, 1.0) if np.isfinite(value) else 1e5))


def _caption(rows: list[dict]) -> str:
    seeds = len({row["seed"] for row in rows})
    shared = rows[0]["steps"] - rows[0]["unique_steps"]
    return (
        f"First shared step at which both outputs agree: mean over {seeds} seeds of {rows[0]['dtype']} runs with "
        f"{shared:,} shared steps.\nHatched: some seeds never did (how many did, and a lower bound of the mean)."
    )


def distance(rows: list[dict], sample_steps: np.ndarray, folder) -> None:
    """`distance.png`: the largest difference of the two outputs over shared steps, a line for each number of units.

    Lines are medians over seeds, bands the middle half; a line ends where the median is exactly 0. A panel for each
    input size and cell.
    """
    panels = sorted({(row["cell"], row["input_size"]) for row in rows})
    units = sorted({row["hidden_size"] for row in rows})
    across = min(4, len(panels))
    down = -(-len(panels) // across)
    with canvas.figure(folder, "distance", down, across, (3.2, 2.5), sharex=True, sharey=True) as (fig, axes):
        colors = _palette(len(units))
        for axis, (cell, input_size) in itertools.zip_longest(axes.flat, panels, fillvalue=(None, None)):
            if cell is None:
                axis.set_visible(False)
                continue
            for hidden_size, color in zip(units, colors):
                lanes = [r for r in rows if (r["cell"], r["input_size"], r["hidden_size"]) == (cell, input_size, hidden_size)]
                lanes = [r for r in lanes if r["status"] != "diverged"]
                if lanes:
                    _band(axis, sample_steps, np.asarray([r["distance"] for r in lanes], float), color, hidden_size)
            axis.set_title(f"{cell}, {input_size} input{'s' * (input_size > 1)}")
            axis.set(xscale="symlog", yscale="log")
        for axis in axes[-1]:
            axis.set_xlabel("shared steps")
        for axis in axes[:, 0]:
            axis.set_ylabel("largest difference")
        handles, names = axes[0][0].get_legend_handles_labels()
        fig.legend(handles, names, title="units", loc="outside right center", frameon=False)


def _band(axis, steps, curves, color, label) -> None:
    low, middle, high = (np.where(q > 0, q, np.nan) for q in np.quantile(curves, [0.25, 0.5, 0.75], axis=0))
    axis.plot(steps, middle, color=color, lw=1.2, label=label)
    axis.fill_between(steps, low, high, color=color, alpha=0.2, lw=0)


def _palette(n: int):
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0.0, 0.92, n))
