"""Pictures and tables of capacity, from rows alone."""

import itertools

import numpy as np

from rnnjax.capacity import search
from rnnjax.capacity.study import OWN, score
from rnnjax.figures import canvas
from rnnjax.figures.memory_stability import title as cell_title
from rnnjax.results import statistics
from rnnjax.tasks.registry import TASKS

NAMES = ("cell", "recurrent_init", "layers", "steps")


def bound(units: int, size: int) -> float:
    """The least mean squared error a number of a linear read-out: max(0, 1 - units / size)."""
    return max(0.0, 1 - units / size)


def series(rows: list[dict]) -> list[tuple]:
    """The (cell, recurrent_init, layers, steps) that occur, sorted: what a line in a picture is."""
    return sorted({tuple(row[name] for name in NAMES) for row in rows})


def title(line: tuple, of: list[tuple]) -> str:
    """What a line is called among the lines `of` a picture."""
    cell, recurrent_init, layers, steps = line
    parts = [cell_title(cell, layers)]
    parts += [recurrent_init] if len({other[1] for other in of}) > 1 else []
    parts += (
        [f"{steps} step{'s' * (steps > 1)}"]
        if len({other[3] for other in of}) > 1
        else []
    )
    return ", ".join(parts)


def points(rows: list[dict]):
    """Pairs of (line, budget) and the rows of all its trials."""

    def key(row):
        return tuple(row[name] for name in NAMES), row["budget"]

    return [
        (point, list(trials))
        for point, trials in itertools.groupby(sorted(rows, key=key), key)
    ]


def winner(rows: list[dict]) -> tuple[list[dict], bool]:
    """The rows of the best setting on the fresh draws, and whether both neighbours in number of samples were worse.

    Empty before the search has come so far. Where fewer draws were asked for at first, those that all were asked for count.
    """
    draws: dict[tuple, list[dict]] = {}
    for row in rows:
        if row["stage"] == search.DRAWS:
            draws.setdefault((row["trial"], row["step"]), []).append(row)
    if not draws:
        return [], False
    trial, step = max(draws, key=lambda which: len(draws[which]))
    task, scores = TASKS[rows[0]["task"]], {}
    for row in rows:
        if (row["stage"], row["trial"]) == (search.BRACKET, trial):
            scores.setdefault(row["step"], []).append(score(task, row))
    means = {
        k: -np.inf if None in some else float(np.mean(some))
        for k, some in scores.items()
    }
    bracketed = all(
        side in means and means[side] < means[step] for side in (step - 1, step + 1)
    )
    return draws[trial, step], bracketed


def summary(rows: list[dict]) -> list[dict]:
    """One flat line for each cell, depth and budget."""
    lines = []
    for ((cell, recurrent_init, layers, steps), budget), trials in points(rows):
        line = {"cell": cell, "depth": layers, "budget": budget}
        line |= {
            "parameters": trials[0]["parameters"],
            "units": trials[0]["hidden_size"],
        }
        line |= {"recurrent_init": recurrent_init} if recurrent_init != OWN else {}
        line |= {"steps": steps} if steps else {}
        best, bracketed = winner(trials)
        describe = _bits if trials[0]["task"] == "parameters" else _loss
        line |= describe(trials, best, bracketed)
        line |= {
            "trials": len(trials),
            "diverged": sum(row["status"] == "diverged" for row in trials),
        }
        lines.append(line | {"draws": len(best)})
    return lines


def _bits(trials: list[dict], best: list[dict], bracketed: bool) -> dict:
    parameters = trials[0]["parameters"]
    per = _mean_of_all([_divided(row["bits"], parameters) for row in best])
    most = [row["bits"] / parameters for row in trials if row["bits"] is not None]
    return {
        "samples": best[0]["samples"] if best else None,
        "bits": None if per.mean is None else per.mean * parameters,
        "bits_per_parameter": per.mean,
        "bits_per_parameter_low": per.low,
        "bits_per_parameter_high": per.high,
        "bracketed": bracketed,
        "max_bits_per_parameter": max(most, default=None),
    }


def _divided(bits: float | None, parameters: int) -> float | None:
    return None if bits is None else bits / parameters


def _mean_of_all(values: list[float | None]) -> statistics.Mean:
    """The mean of the fresh draws; none if one of them diverged."""
    return statistics.mean([] if None in values else values)


def _loss(trials: list[dict], best: list[dict], bracketed: bool) -> dict:
    losses = [row["loss"] for row in trials if row["loss"] is not None]
    mean = _mean_of_all([row["loss"] for row in best])
    line = {
        "loss": mean.mean,
        "loss_sd": mean.sd,
        "loss_low": mean.low,
        "loss_high": mean.high,
    }
    line |= {"best_loss": min(losses, default=None)}
    for name in ("accuracy", "exact", "bits"):
        if name in trials[0]:
            line[name] = _mean_of_all([row[name] for row in best]).mean
    line |= {"chance": trials[0]["chance"], "measure": trials[0]["measure"]}
    if trials[0]["task"] == "units":
        line["bound"] = bound(trials[0]["hidden_size"], trials[0]["input_size"])
    return line


def draw(rows: list[dict], folder) -> None:
    """All pictures that the rows allow; none of results where every training diverged."""
    result = "bits_per_parameter" if rows[0]["task"] == "parameters" else "loss"
    if all(line[result] is None for line in summary(rows)):
        pass
    elif rows[0]["task"] == "parameters":
        _draw_bits(rows, folder)
        _draw_bits_per_parameter(rows, folder)
    else:
        _draw_loss(rows, folder)
    _draw_search(rows, folder)
    if any(row["status"] == "diverged" for row in rows):
        _draw_diverged(rows, folder)


def _results(
    rows: list[dict], line: tuple, value
) -> tuple[list[dict], list[list[float]]]:
    """For one line of a picture: a row of each of its points, and the values of the fresh draws there."""
    out = [
        (best[0], [value(row) for row in best])
        for (other, _), trials in points(rows)
        if other == line and (best := winner(trials)[0])
    ]
    out = [(row, values) for row, values in out if None not in values]
    return [row for row, _ in out], [values for _, values in out]


def _spread(axis, x, values, **style):
    """Means with 95 % intervals."""
    means = [statistics.mean(some) for some in values]
    low = [0 if m.low is None else m.mean - m.low for m in means]
    high = [0 if m.high is None else m.high - m.mean for m in means]
    return axis.errorbar(
        x,
        [m.mean for m in means],
        [low, high],
        marker="o",
        ms=3,
        lw=1,
        capsize=2,
        **style,
    )


def _name_lines(axis, lines: list[tuple]) -> None:
    slanted = (
        {"rotation": 25, "ha": "right", "rotation_mode": "anchor"}
        if len(lines) > 3
        else {}
    )
    axis.set_xticklabels([title(line, lines) for line in lines], **slanted)


def _searched(rows: list[dict]) -> str:
    draws = len({row["seed"] for row in rows if row["stage"] == search.DRAWS})
    count = max(len(trials) for _, trials in points(rows))
    return f"best setting of a search: mean of {draws} fresh draws, 95 % interval\nat most {count} trainings a point"


def _draw_bits(rows: list[dict], folder) -> None:
    """`bits.png`: bits against parameters, with the line through 0 that fits best."""
    with canvas.figure(folder, "bits", 1, 1, (5.4, 3.6)) as (fig, axes):
        axis, lines = axes[0][0], series(rows)
        for line in lines:
            some, values = _results(rows, line, lambda row: row["bits"])
            if not some:
                continue
            x, y = (
                np.asarray([row["parameters"] for row in some], float),
                np.asarray([np.mean(v) for v in values]),
            )
            slope = float(x @ y / (x @ x))
            drawn = _spread(
                axis,
                x,
                values,
                label=f"{title(line, lines)}: {slope:.2f} bits a parameter",
                ls="none",
            )
            axis.plot(
                [0, x.max()], [0, slope * x.max()], color=drawn[0].get_color(), lw=0.8
            )
        axis.set(
            xlabel="parameters",
            ylabel="bits learned by heart",
            xlim=(0, None),
            ylim=(0, None),
        )
        axis.legend(frameon=False, fontsize=8)
        fig.suptitle(_searched(rows), fontsize=8)


def _draw_bits_per_parameter(rows: list[dict], folder) -> None:
    """`bits_per_parameter.png`: by cell and depth; a dot a budget with its interval, a cross the best single training."""
    with canvas.figure(
        folder,
        "bits_per_parameter",
        1,
        1,
        (max(4.2, 0.8 * len(series(rows)) + 1.6), 3.6),
    ) as (fig, axes):
        axis, lines = axes[0][0], series(rows)
        budgets = sorted({row["budget"] for row in rows})
        for k, budget in enumerate(budgets):
            at, values, most = [], [], []
            for x, line in enumerate(lines):
                trials = [
                    row
                    for row in rows
                    if tuple(row[name] for name in NAMES) == line
                    and row["budget"] == budget
                ]
                best = [row["bits"] for row in winner(trials)[0]] if trials else []
                if best and None not in best:
                    at.append(x + 0.5 * (k + 0.5) / len(budgets) - 0.25)
                    values.append([bits / trials[0]["parameters"] for bits in best])
                    most.append(
                        max(row["bits"] or 0 for row in trials)
                        / trials[0]["parameters"]
                    )
            if at:
                drawn = _spread(
                    axis, at, values, ls="none", label=f"{budget} parameters at most"
                )
                axis.plot(at, most, "x", ms=4, color=drawn[0].get_color())
        axis.set(xticks=range(len(lines)), ylabel="bits a parameter", ylim=(0, None))
        _name_lines(axis, lines)
        axis.legend(frameon=False, fontsize=8)
        fig.suptitle(
            "dots: mean of fresh draws, 95 % interval\ncrosses: best single training",
            fontsize=8,
        )


def _draw_loss(rows: list[dict], folder) -> None:
    """`loss.png`: the loss against units (task `units`, with 1 - units / size drawn in) or against parameters."""
    units = rows[0]["task"] == "units"
    key = "hidden_size" if units else "parameters"
    with canvas.figure(folder, "loss", 1, 1, (5.4, 3.6)) as (fig, axes):
        axis, lines = axes[0][0], series(rows)
        if units:
            n, size = (
                sorted({row["hidden_size"] for row in rows}),
                rows[0]["input_size"],
            )
            axis.plot(
                n,
                [bound(k, size) for k in n],
                color="0.7",
                lw=4,
                label=f"1 - units/{size}",
                zorder=0,
            )
        for line in lines:
            some, values = _results(rows, line, lambda row: row["loss"])
            if some:
                _spread(
                    axis, [row[key] for row in some], values, label=title(line, lines)
                )
        axis.axhline(rows[0]["chance"], color="0.6", lw=0.8, ls=":")
        axis.annotate(
            "chance",
            (1, rows[0]["chance"]),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="top",
            fontsize=7,
        )
        axis.set(
            xlabel="units" if units else "parameters",
            ylabel=rows[0]["measure"],
            ylim=(0, None),
        )
        if not units:
            axis.set_xscale("log")
        axis.legend(frameon=False, fontsize=8)
        fig.suptitle(f"task {rows[0]['task']}: {_searched(rows)}", fontsize=8)


def _draw_search(rows: list[dict], folder) -> None:
    """`search.png`: how far the budget of the search binds: the best so far by updates, and what fewer trials would have found."""
    task = TASKS[rows[0]["task"]]
    per = task.objective == "bits"
    with canvas.figure(folder, "search", 1, 2, (4.2, 3.4)) as (fig, axes):
        left, right = axes[0]
        for k, ((line, budget), trials) in enumerate(points(rows)):
            searched = [row for row in trials if row["stage"].startswith("rung")]
            scores = np.asarray(
                [-np.inf if (s := score(task, row)) is None else s for row in searched]
            )
            scale = trials[0]["parameters"] if per else -1.0
            updates = np.asarray([row["updates"] for row in searched])
            label, color = f"{title(line, series(rows))}, {budget}", f"C{k % 10}"
            levels = [
                u
                for u in sorted(set(updates))
                if np.isfinite(scores[updates == u]).any()
            ]
            left.plot(
                levels,
                [scores[updates == u].max() / scale for u in levels],
                "o-",
                ms=3,
                lw=1,
                color=color,
                label=label,
            )
            first = np.sort(scores[[row["stage"] == "rung0" for row in searched]])[::-1]
            if np.isfinite(first).any():
                counts = np.unique(np.geomspace(1, len(first), 20).astype(int))
                right.plot(
                    counts,
                    [_best_of(first, n) / scale for n in counts],
                    lw=1,
                    color=color,
                )
        what = "bits a parameter" if per else rows[0]["measure"]
        left.set(
            xlabel="updates of a training",
            ylabel=what,
            xscale="log",
            title="best of a round",
        )
        right.set(
            xlabel="trials", xscale="log", title="expected best of the first round"
        )
        if len(points(rows)) <= 12:
            left.legend(frameon=False, fontsize=6)
        fig.suptitle("single trainings, before the fresh draws", fontsize=8)


def _best_of(ordered: np.ndarray, n: int) -> float:
    """The expected best of n different ones of `ordered` numbers, the best first; those that are -inf count as the worst other."""
    known = np.where(np.isfinite(ordered), ordered, ordered[np.isfinite(ordered)].min())
    total, share, expected = len(known), n / len(known), 0.0
    for k, value in enumerate(known[: total - n + 1]):
        expected += share * value
        share *= (total - k - n) / (total - k - 1) if total - k > 1 else 0
    return expected


def _draw_diverged(rows: list[dict], folder) -> None:
    """`diverged.png`: the share of the first round's trainings, whose settings are not chosen, that diverged."""
    with canvas.figure(
        folder, "diverged", 1, 1, (max(3.6, 0.7 * len(series(rows)) + 1.6), 3.2)
    ) as (fig, axes):
        axis, lines = axes[0][0], series(rows)
        first = [row for row in rows if row["stage"] == "rung0"]
        groups = [
            [row for row in first if tuple(row[name] for name in NAMES) == line]
            for line in lines
        ]
        intervals = [
            statistics.share(
                sum(row["status"] == "diverged" for row in some), len(some)
            )
            for some in groups
        ]
        means = [interval.mean for interval in intervals]
        errors = [
            [i.mean - i.low for i in intervals],
            [i.high - i.mean for i in intervals],
        ]
        axis.bar(
            range(len(lines)), means, yerr=errors, width=0.6, color="0.7", capsize=2
        )
        axis.set(
            xticks=range(len(lines)),
            ylabel="share of trainings that diverged",
            ylim=(0, None),
        )
        _name_lines(axis, lines)
        fig.suptitle(
            f"settings as they were drawn, {min(map(len, groups))} or more a bar; 95 % interval",
            fontsize=8,
        )
