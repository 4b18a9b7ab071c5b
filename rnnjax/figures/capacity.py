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
CHANCE = "the chance level, of answers that ignore the inputs"
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
    if any(row["failed"] for row in rows if row["stage"] == search.FIRST_RUNG):
        trainability(rows, folder)


def bits_over_parameters(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`bits.png`: bits over parameters, with the line that fits best.

    With fewer than three budgets the line goes through 0.
    """
    with canvas.figure(folder, "bits", 1, 1, (8.4, 3.8)) as (fig, axes):
        axis, lines = axes[0][0], series(rows)
        for k, line in enumerate(lines):
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
            style = canvas.style(k, len(lines))
            _errorbars(axis, x, values, label=label, **(style | {"ls": "none"}))
            axis.plot(ends, fitted, color=style["color"], ls=style["ls"], lw=0.8)
        axis.set(
            xlabel="parameters", ylabel="bits stored", xlim=(0, None), ylim=(0, None)
        )
        canvas.legend(fig, axis)
        text = (
            f"{_searched(rows)} Lines: least squares through the results, and through "
            "0 where these have fewer than three budgets."
        )
        canvas.caption(fig, "Bits that networks store", text)


def bits_per_parameter(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`bits_per_parameter.png`: over parameters, or by series for fewer than 3 budgets.

    A result has a filled marker and a bar, its interval; the best single training has
    an open one.
    """
    lines, budgets = series(rows), sorted({row["budget"] for row in rows})
    over_parameters = len(budgets) >= growth.MIN_BUDGETS
    size = (max(6.0, 0.8 * len(lines) + 2.4), 3.6)
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
        for k, (label, found) in enumerate(groups.items()):
            xs, values, bests = zip(*found)
            style = canvas.style(k, len(groups))
            style |= {} if over_parameters else {"ls": "none"}
            _errorbars(axis, xs, values, label=label, **style)
            axis.plot(xs, bests, ms=5, mfc="none", **(style | {"ls": "none"}))
        axis.set(ylabel="bits per parameter", ylim=(0, None))
        if over_parameters:
            axis.set(xlabel="parameters")
            canvas.ticks_at(axis, [x for found in groups.values() for x, *_ in found])
        else:
            _name_series(axis, lines)
        canvas.legend(fig, axis)
        text = f"{_searched(rows)} Open markers: the best single training of all."
        canvas.caption(fig, "Bits per parameter", text)


def loss(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`loss.png`: over units with the bound of each, if it is known; or parameters."""
    bounds = {row["hidden_size"]: row["loss_bound"] for row in rows}
    bounded = None not in bounds.values()
    key = "hidden_size" if bounded else "parameters"
    with canvas.figure(folder, "loss", 1, 1, (6.4, 3.8)) as (fig, axes):
        axis, lines = axes[0][0], series(rows)
        if bounded:
            style = {"color": "0.7", "lw": 4, "zorder": 0}
            label = "bound, linear cells"
            marker = "_" if len(bounds) == 1 else ""
            points_of = zip(*sorted(bounds.items()))
            axis.plot(*points_of, label=label, marker=marker, ms=20, mew=4, **style)
        for k, line in enumerate(lines):
            draws = _results(rows, line, lambda row: row["loss"])
            if draws:
                x = [row[key] for row, _ in draws]
                losses = [values for _, values in draws]
                style = canvas.style(k, len(lines))
                _errorbars(axis, x, losses, label=title(line, lines), **style)
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
        canvas.ticks_at(axis, [row[key] for row in rows])
        canvas.legend(fig, axis)
        text = f"{_searched(rows)} Dotted: {CHANCE}."
        canvas.caption(fig, f"Task {rows[0]['task']}: loss of the best training", text)


def search_progress(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`search.png`: whether the size of the search limits the result.

    Left, the best training of each rung over its updates; right, the expected best of
    fewer trials of the first rung. With many lines a series has one style.
    """
    every, lines = points(rows), series(rows)
    few = len(every) <= MAX_LEGEND
    with canvas.figure(folder, "search", 1, 2, (4.4, 3.4), sharey=True) as (fig, axes):
        by_updates, by_trials = axes[0]
        for k, (line, _, trials) in enumerate(every):
            rungs = [row for row in trials if row["stage"].startswith(search.RUNG)]
            scores = np.asarray([_score(row) for row in rungs])
            updates = np.asarray([row["updates"] for row in rungs])
            scale = summary_lib.score_scale(trials)
            place = (k, len(every)) if few else (lines.index(line), len(lines))
            style = {"lw": 1, "ms": 3.5, **canvas.style(*place)}
            best = {u: scores[updates == u].max() for u in sorted(set(updates))}
            best = {u: score / scale for u, score in best.items() if np.isfinite(score)}
            label = title(line, lines)
            label += f", {summary_lib.size(trials[0])}" if few else ""
            by_updates.plot(list(best), list(best.values()), label=label, **style)
            first = scores[[row["stage"] == search.FIRST_RUNG for row in rungs]]
            if np.isfinite(first).any():
                spaced = np.geomspace(1, len(first), CURVE_POINTS)
                counts = np.unique(spaced.astype(int))
                expected = [summary_lib.expected_best(first, n) / scale for n in counts]
                by_trials.plot(counts, expected, **(style | {"marker": ""}))
        objective = rows[0]["objective"]
        names = {"bits": "bits per parameter", "loss": rows[0]["loss_name"]}
        ylabel = names.get(objective, objective)
        by_updates.set(xlabel="updates of a training", ylabel=ylabel)
        by_updates.set_title("best of a rung")
        by_trials.set(xlabel="trials")
        by_trials.set_title("expected best of the first rung")
        rungs = [row for row in rows if row["stage"].startswith(search.RUNG)]
        canvas.ticks_at(by_updates, [row["updates"] for row in rungs])
        tried = [len(_first_rung(trials)) for _, _, trials in every]
        canvas.ticks_at(by_trials, [1 << k for k in range(max(tried).bit_length())])
        canvas.legend(fig, by_updates)
        text = (
            "Single trainings on one seed each, before the fresh draws; "
            f"{_range(tried)} trials a line in the first rung."
        )
        text += "" if few else " A line for each size."
        canvas.caption(fig, "Does the size of the search limit the result?", text)


def trainability(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`trainability.png`: which fraction of the first rung's trainings failed.

    By series; the dark part of a bar diverged, the rest ended no better than chance.
    """
    lines = series(rows)
    size = (max(4.6, 0.7 * len(lines) + 1.6), 3.2)
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
        x, style = range(len(lines)), {"width": 0.6, "edgecolor": "0.3"}
        thin = {"lw": 1, "capsize": 2}
        axis.bar(
            x, means, yerr=errors, error_kw=thin, color="0.8", label="failed", **style
        )
        axis.bar(x, diverged, color="0.5", hatch="//", label="diverged", **style)
        axis.set(ylabel="fraction of trainings", ylim=(0, None))
        canvas.legend(fig, axis)
        _name_series(axis, lines)
        text = (
            "failed: diverged (hatched), or no better than chance at the end; of "
            f"{_range([len(group) for group in groups])} trials of the first rung a "
            "bar. Thin lines: 95 % intervals of the fraction that failed."
        )
        canvas.caption(fig, "Which trainings fail?", text)


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


def _first_rung(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["stage"] == search.FIRST_RUNG]


def _range(counts: Sequence[int]) -> str:
    """As "8", or "8 to 24"."""
    few, many = min(counts), max(counts)
    return str(many) if few == many else f"{few} to {many}"


def _errorbars(axis: Any, x: Any, values: Sequence[Any], **style: Any) -> None:
    """Draws means with 95 % intervals; none of the values can be negative."""
    means, errors = _means_and_errors(
        [statistics.mean(group, statistics.NONNEGATIVE) for group in values]
    )
    axis.errorbar(x, means, errors, ms=4, lw=1, capsize=2, **style)


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
    axis.set_xlim(-0.6, len(lines) - 0.4)


def _searched(rows: Sequence[Row]) -> str:
    count = max(len(trials) for _, _, trials in points(rows))
    draws = summary_lib.draws_count(rows)
    networks = "one fresh draw" if draws == 1 else f"the mean of {draws} fresh draws"
    return (
        f"Filled markers: {networks} of the best of a search of at most {count} "
        f"trainings. Bars: {summary_lib.intervals(rows)}."
    )
