"""Pictures of capacity."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from etils import epath

from rnnjax.capacity import growth, search
from rnnjax.capacity import summary as summary_lib
from rnnjax.capacity.summary import Series, points, series, series_of, title
from rnnjax.figures import canvas
from rnnjax.results import statistics
from rnnjax.results.schema import Row

MAX_LEGEND = 12  # lines that a legend has space for
CURVE_POINTS = 20  # of the expected best over numbers of trials


def draw(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """Draws all pictures that the rows allow.

    There is none of results if every training of them diverged.
    """
    bits = summary_lib.counts_bits(rows)
    key = "bits_per_parameter" if bits else "loss"
    if any(line[key] is not None for line in summary_lib.summary(rows)):
        if bits:
            bits_over_parameters(rows, folder)
            bits_per_parameter(rows, folder)
        else:
            loss(rows, folder)
    search_progress(rows, folder)
    if any(row["failed"] for row in rows):
        trainability(rows, folder)


def bits_over_parameters(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`bits.png`: bits over parameters, with the line that fits best.

    With fewer than three budgets the line goes through 0.
    """
    with canvas.figure(folder, "bits", 1, 1, (5.4, 3.6)) as (fig, axes):
        axis, lines = axes[0][0], series(rows)
        for line in lines:
            draws = _results(rows, line, lambda row: row["bits"])
            if not draws:
                continue
            x = np.asarray([row["parameters"] for row, _ in draws], float)
            values = [bits for _, bits in draws]
            means = np.asarray([np.mean(bits) for bits in values])
            ends = np.asarray([0, x.max()])
            if found := summary_lib.growth_of(rows, line):
                words = growth.sentence(found).replace("; ", "\n")
                fitted = found.intercept + (found.slope.mean or 0.0) * ends
            else:
                slope = summary_lib.slope_through_zero(x, means)
                words, fitted = f"{slope:.2f} bits per parameter", slope * ends
            label = f"{title(line, lines)}: {words}"
            color = _errorbars(axis, x, values, label=label, ls="none")
            axis.plot(ends, fitted, color=color, lw=0.8)
        axis.set(
            xlabel="parameters", ylabel="bits stored", xlim=(0, None), ylim=(0, None)
        )
        fig.legend(loc="outside right center", frameon=False, fontsize=8)
        fig.suptitle(_searched(rows), fontsize=8)


def bits_per_parameter(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`bits_per_parameter.png`: over parameters, or by series for fewer than 3 budgets.

    A dot for each result, with its interval, and a cross for the best single training.
    """
    lines, budgets = series(rows), sorted({row["budget"] for row in rows})
    over_parameters = len(budgets) >= growth.MIN_BUDGETS
    size = (max(4.2, 0.8 * len(lines) + 1.6), 3.6)
    with canvas.figure(folder, "bits_per_parameter", 1, 1, size) as (fig, axes):
        axis = axes[0][0]
        groups: dict[str, list[tuple[float, list[float], float]]] = {}
        for line, budget, trials in points(rows):
            bits = summary_lib.values(trials, summary_lib.bits_per_parameter)
            every = map(summary_lib.bits_per_parameter, trials)
            best = max((value or 0 for value in every), default=0)
            x, label = float(trials[0]["parameters"]), title(line, lines)
            if not over_parameters:
                # The budgets stand side by side within 1/4 of the series' index.
                offset = 0.5 * (budgets.index(budget) + 0.5) / len(budgets) - 0.25
                x, label = lines.index(line) + offset, f"{budget} parameters at most"
            if bits:
                groups.setdefault(label, []).append((x, bits, best))
        for label, found in groups.items():
            xs, values, bests = zip(*found)
            joined = "-" if over_parameters else "none"
            color = _errorbars(axis, xs, values, label=label, ls=joined)
            axis.plot(xs, bests, "x", ms=4, color=color)
        axis.set(ylabel="bits per parameter", ylim=(0, None))
        if over_parameters:
            axis.set(xlabel="parameters", xscale="log")
            axis.set_xticks(budgets, map(str, budgets))
            axis.minorticks_off()
        else:
            _name_series(axis, lines)
        fig.legend(loc="outside right center", frameon=False, fontsize=8)
        note = "dots: mean of fresh draws; crosses: best single training"
        fig.suptitle(f"{note}\n{_intervals(rows)}", fontsize=8)


def loss(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`loss.png`: over units with the bound of each, if it is known; or parameters."""
    bounds = {row["hidden_size"]: row["loss_bound"] for row in rows}
    bounded = None not in bounds.values()
    key = "hidden_size" if bounded else "parameters"
    with canvas.figure(folder, "loss", 1, 1, (5.4, 3.6)) as (fig, axes):
        axis, lines = axes[0][0], series(rows)
        if bounded:
            style = {"color": "0.7", "lw": 4, "zorder": 0}
            label = "bound, linear cells"
            axis.plot(*zip(*sorted(bounds.items())), label=label, **style)
        for line in lines:
            draws = _results(rows, line, lambda row: row["loss"])
            if draws:
                x = [row[key] for row, _ in draws]
                losses = [values for _, values in draws]
                _errorbars(axis, x, losses, label=title(line, lines))
        chance = rows[0]["chance"]
        axis.axhline(chance, color="0.6", lw=0.8, ls=":")
        axis.annotate(
            "chance",
            (1, chance),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="top",
            fontsize=7,
        )
        xlabel = "units" if bounded else "parameters"
        axis.set(xlabel=xlabel, ylabel=rows[0]["loss_name"], ylim=(0, None))
        if not bounded:
            axis.set_xscale("log")
        fig.legend(loc="outside right center", frameon=False, fontsize=8)
        fig.suptitle(f"task {rows[0]['task']}: {_searched(rows)}", fontsize=8)


def search_progress(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`search.png`: whether the size of the search limits the result.

    Left, the best training of each rung over its updates; right, the expected best of
    fewer trials of the first rung.
    """
    every = points(rows)
    with canvas.figure(folder, "search", 1, 2, (4.2, 3.4)) as (fig, axes):
        by_updates, by_trials = axes[0]
        for k, (line, budget, trials) in enumerate(every):
            rungs = [row for row in trials if row["stage"].startswith(search.RUNG)]
            scores = np.asarray([_score(row) for row in rungs])
            updates = np.asarray([row["updates"] for row in rungs])
            scale = summary_lib.score_scale(trials)
            style = {"color": f"C{k % 10}", "lw": 1}
            best = {u: scores[updates == u].max() for u in sorted(set(updates))}
            best = {u: score / scale for u, score in best.items() if np.isfinite(score)}
            label = f"{title(line, series(rows))}, {budget}"
            by_updates.plot(
                list(best), list(best.values()), "o-", ms=3, label=label, **style
            )
            first = scores[[row["stage"] == search.FIRST_RUNG for row in rungs]]
            if np.isfinite(first).any():
                spaced = np.geomspace(1, len(first), CURVE_POINTS)
                counts = np.unique(spaced.astype(int))
                expected = [summary_lib.expected_best(first, n) / scale for n in counts]
                by_trials.plot(counts, expected, **style)
        objective = rows[0]["objective"]
        names = {"bits": "bits per parameter", "loss": rows[0]["loss_name"]}
        ylabel = names.get(objective, objective)
        by_updates.set(xlabel="updates of a training", ylabel=ylabel, xscale="log")
        by_updates.set_title("best of a rung")
        by_trials.set(xlabel="trials", xscale="log")
        by_trials.set_title("expected best of the first rung")
        if len(every) <= MAX_LEGEND:
            by_updates.legend(frameon=False, fontsize=6)
        fig.suptitle("single trainings, before the fresh draws", fontsize=8)


def trainability(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`trainability.png`: which fraction of the first rung's trainings failed.

    By series; the dark part of a bar diverged, the rest ended no better than chance.
    """
    lines = series(rows)
    size = (max(3.6, 0.7 * len(lines) + 1.6), 3.2)
    with canvas.figure(folder, "trainability", 1, 1, size) as (fig, axes):
        axis = axes[0][0]
        first = [row for row in rows if row["stage"] == search.FIRST_RUNG]
        groups = [[row for row in first if series_of(row) == line] for line in lines]
        fractions = [part for group in groups if (part := summary_lib.failed(group))]
        means, errors = _means_and_errors(fractions)
        diverged = [
            sum(row["status"] == "diverged" for row in group) / len(group)
            for group in groups
        ]
        x, style = range(len(lines)), {"width": 0.6}
        axis.bar(x, means, yerr=errors, color="0.8", capsize=2, label="failed", **style)
        axis.bar(x, diverged, color="0.5", label="of these diverged", **style)
        axis.set(ylabel="fraction of trainings", ylim=(0, None))
        fig.legend(loc="outside right center", frameon=False, fontsize=8)
        _name_series(axis, lines)
        fewest = min(map(len, groups))
        note = (
            "failed: diverged, or no better than chance at the end\n"
            f"trials of the first rung, {fewest} or more a bar; 95 % interval"
        )
        fig.suptitle(note, fontsize=8)


def _results(
    rows: Sequence[Row], line: Series, value: Callable[[Row], float | None]
) -> list[tuple[Row, list[float]]]:
    """For each point of a series a row, and the numbers whose mean is the result.

    Points where a fresh draw diverged are left out.
    """
    found = []
    for of, _, trials in points(rows):
        if of == line and (numbers := summary_lib.values(trials, value)):
            found.append((trials[0], numbers))
    return found


def _score(row: Row) -> float:
    return -np.inf if row["score"] is None else row["score"]


def _errorbars(axis: Any, x: Any, values: Sequence[Any], **style: Any) -> Any:
    """Draws means with 95 % intervals; returns the color."""
    means, errors = _means_and_errors([statistics.mean(group) for group in values])
    style = {"marker": "o", "ms": 3, "lw": 1, "capsize": 2, **style}
    return axis.errorbar(x, means, errors, **style)[0].get_color()


def _means_and_errors(
    means: Sequence[statistics.Mean],
) -> tuple[np.ndarray, np.ndarray]:
    """The means `[N]`, and how far each interval reaches to either side, `[2, N]`."""
    mean, low, high = (
        np.asarray([getattr(m, name) for m in means], float)
        for name in ("mean", "low", "high")
    )
    return mean, np.nan_to_num([mean - low, high - mean])


def _name_series(axis: Any, lines: Sequence[Series]) -> None:
    """Names the series below their indices, slanted if there are many."""
    names = [title(line, lines) for line in lines]
    slanted = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"}
    axis.set_xticks(range(len(lines)), names, **(slanted if len(lines) > 3 else {}))


def _searched(rows: Sequence[Row]) -> str:
    count = max(len(trials) for _, _, trials in points(rows))
    draws = summary_lib.draws_count(rows)
    return (
        f"best of a search: mean of {draws} fresh draws; "
        f"at most {count} trainings a point\n{_intervals(rows)}"
    )


def _intervals(rows: Sequence[Row]) -> str:
    return f"bars: {summary_lib.intervals(rows)}".replace("; ", ";\n")
