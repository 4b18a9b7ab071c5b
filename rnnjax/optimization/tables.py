"""The tables of optimization, from rows alone. Needs no JAX."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from rnnjax.optimization import comparisons, summary
from rnnjax.optimization.schema import AS_PUBLISHED, OPTIMIZERS, RATES, THEN
from rnnjax.results.bootstrap import Estimate
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table

ASKED = "adam"  # the optimizer that is said to be best
INTERVALS = (
    "± is half a 95 % interval over seeds, of a bootstrap; of fewer than 6, Student's."
)


def tables(rows: list[Row]) -> list[Table]:
    """The main table, and what the study asks; then details."""
    if rows[0]["protocol"] == AS_PUBLISHED:
        return [_orders(rows)]
    made = [_main(rows)]
    if rows[0]["study"] == OPTIMIZERS:
        made += _best(rows)
    made += _interactions(rows)
    return [*made, *_budgets(rows), *_trials(rows)]


def _main(rows: list[Row]) -> Table:
    """What each method reaches, at its defaults and at its best trial."""
    costs = len({row["batch"] for row in rows}) > 1 or any(
        row["curve_gradients"] != row["curve_updates"] for row in rows
    )
    lines = []
    for _, lanes in summary.methods(rows):
        best = summary.chosen(lanes)
        lines.append(
            [
                name(lanes[0], rows),
                accuracy([*map(summary.score, summary.default(lanes))]),
                accuracy([*map(summary.score, best)]),
                accuracy(summary.median_trial(lanes)),
                f"{sum(row['solved_update'] is not None for row in best)}/{len(best)}",
                time(best),
                *([samples(best)] if costs else []),
                f"{100 * summary.diverged(lanes):.0f}",
            ]
        )
    columns = ["", "defaults", "best", "median", "solved", "updates"]
    columns += ["samples"] if costs else []
    first = rows[0]
    found = {len(some) for some in _searched(rows)}
    count = "-".join(map(str, sorted({min(found), max(found)})))
    notes = [
        f"{len(rows)} trainings of {_span(row['updates'] for row in rows)} updates. "
        f"{INTERVALS} best: of {count} trials (--search={first['search']}), for each "
        "seed the one with the best validation accuracy; median: of these trials; "
        "solved, updates: seeds that solve the task at their best trial, and the "
        f"median of when ({_levels(rows)} of validation data).",
        *_ends(rows),
    ]
    title = "accuracy on test data, %"
    return Table(title, [*columns, "diverged %"], lines, notes)


def _ends(rows: list[Row]) -> list[str]:
    """Which methods might do better beyond the range that was searched."""
    found = []
    for _, lanes in summary.methods(rows):
        rates = [row["learning_rate"] for row in summary.searched(lanes)]
        best = [row["learning_rate"] for row in summary.chosen(lanes)]
        if rows[0]["search"] != RATES or len(set(rates)) < 3:  # or all are ends
            continue
        if 2 * sum(rate in (min(rates), max(rates)) for rate in best) > len(best):
            found.append(name(lanes[0], rows))
    text = "Best at an end of the range of rates, for most seeds: "
    return [f"{text}{'; '.join(found)}."] if found else []


def _best(rows: list[Row]) -> list[Table]:
    """Whether Adam is best; another optimizer, the leader, if there is no Adam."""
    lines, details = [], []
    for choice, values in comparisons.choices(rows).items():
        found = comparisons.scores(rows, "optimizer", values)
        if len(found) < 2:
            continue
        leader = max(found, key=lambda one: np.mean([x.mean() for x in found[one]]))
        asked = ASKED if ASKED in found else leader
        verdict = comparisons.best(found, asked)
        assert verdict is not None
        closest = verdict.closest
        lines.append([choice, leader, closest.other, *_against(closest), verdict.word])
        details += [
            [f"{choice}, {other}", *_against(comparisons.compare(found, asked, other))]
            for other in found
            if other != asked
        ]
    if not lines:
        return []
    notes = [
        f"difference: {asked} minus the best of the others, or if it is contradicted "
        f"of those that are better, in %, paired by seed. {INTERVALS} best of k: "
        "expected, of k trials of those searched, chosen on validation data. P: "
        f"probability that a seed of {asked} is better. Supported: {asked} is better "
        "than each of the others, at 95 % each; contradicted: worse than one, at 95 % "
        "for all together.",
    ]
    columns = ["", "highest", "against", "difference", "P", "verdict"]
    pairs = ["", "difference", "P"]
    return [
        Table(f"is {asked} best?", columns, lines, notes),
        Table(f"{asked} against others", pairs, details, notes[:1], detail=True),
    ]


def _against(compared: comparisons.Comparison) -> list[str]:
    p = compared.probability
    interval = "" if p.low is None else f" ({p.low:.2f}-{p.high:.2f})"
    return [percent(compared.difference), f"{p.value:.2f}{interval}"]


def _interactions(rows: list[Row]) -> list[Table]:
    """He against Glorot under both nonlinearities."""
    lines = []
    for choice, values in comparisons.choices(rows).items():
        for cell, gain in comparisons.interaction(rows, values).items():
            entries = map(percent, (gain.relu, gain.tanh, gain.interaction))
            lines.append([f"{cell}, {choice}", *entries])
    if not lines:
        return []
    note = f"In % of accuracy, paired by seed. {INTERVALS}"
    columns = ["", "under ReLU", "under tanh", "difference"]
    return [Table("what He gains over Glorot", columns, lines, [note])]


def _budgets(rows: list[Row]) -> list[Table]:
    """The expected best of k trials."""
    lines, most = [], max(len(some) for some in _searched(rows))
    if most < 2:
        return []
    for _, lanes in summary.methods(rows):
        curves = summary.budget(lanes)
        entries = [
            accuracy(curves[:, k - 1]) if k <= curves.shape[1] else ""
            for k in summary.budgets(most)
        ]
        lines.append([name(lanes[0], rows), *entries])
    note = (
        "Test accuracy in % of the best of k random trials of those searched, chosen "
        f"on validation data. {INTERVALS}"
    )
    columns = ["", *(f"k = {k}" for k in summary.budgets(most))]
    return [Table("tuning budget", columns, lines, [note], detail=True)]


def _trials(rows: list[Row]) -> list[Table]:
    """The accuracy of each trial; random ones differ from seed to seed."""
    if rows[0]["search"] != RATES:
        return []
    lines = []
    for _, lanes in summary.methods(rows):
        for trial in sorted({row["trial"] for row in lanes}):
            some = [row for row in lanes if row["trial"] == trial]
            rate = some[0]["learning_rate"]
            lines.append(
                [
                    name(some[0], rows),
                    "" if rate is None else f"{rate:g}",
                    accuracy([*map(summary.score, some)]),
                    time(some),
                    f"{100 * summary.diverged(some):.0f}",
                ]
            )
    columns = ["", "rate", "accuracy", "updates to solve", "diverged %"]
    return [Table("every learning rate", columns, lines, [INTERVALS], detail=True)]


def _orders(rows: list[Row]) -> Table:
    """What each optimizer leaves, by the order in which they trained one network."""
    count = len(rows[0]["optimizer"].split(THEN))
    lines = []
    for _, lanes in summary.methods(rows):
        names = [optimizer for optimizer, _ in summary.stages(lanes[0])]
        ends = zip(*([x or 0.0 for _, x in summary.stages(row)] for row in lanes))
        entries = [
            f"{optimizer} {accuracy(values)}" for optimizer, values in zip(names, ends)
        ]
        lines.append([_network(lanes[0], rows), *entries])
    each = _span(row["updates"] // count for row in rows)
    note = (
        f"One network is trained by all optimizers in turn, {each} updates each at "
        f"their defaults. {INTERVALS} What the last one reaches is not its own doing."
    )
    columns = ["", "first", "second", "third", "fourth"][: count + 1]
    return Table("validation accuracy after each optimizer, %", columns, lines, [note])


def name(row: Row, rows: Sequence[Row]) -> str:
    """A method, with its task if there are several."""
    tasks = {summary.task(other) for other in rows}
    words = summary.title(row, rows)
    return f"{summary.task(row)}, {words}" if len(tasks) > 1 else words


def _network(row: Row, rows: Sequence[Row]) -> str:
    """The task and the network, whatever trains it."""
    others = [other for other in rows if other["optimizer"] == row["optimizer"]]
    words = summary.title(row, others)
    return f"{summary.task(row)}, {words}"


def _searched(rows: Sequence[Row]) -> list[list[Row]]:
    """The searched trials of a seed of each method."""
    return [
        summary.seeds(summary.searched(lanes))[0]
        for _, lanes in summary.methods(rows)
        if summary.searched(lanes)
    ] or [[]]


def accuracy(values: Sequence[float] | np.ndarray) -> str:
    """The mean of accuracies in %, with half its interval; empty without any."""
    return percent(summary.mean(values)) if len(values) else ""


def percent(found: Estimate) -> str:
    """An accuracy with half its interval, in %."""
    if found.low is None or found.high is None:
        return f"{100 * found.value:.1f}"
    half = max(found.value - found.low, found.high - found.value)
    return f"{100 * found.value:.1f} ± {100 * half:.1f}"


def time(lanes: Sequence[Row]) -> str:
    """The median of when lanes solve their task; censored at the end."""
    median = summary.solved_update(lanes).median.median
    if median is None:
        return ""
    if math.isinf(median):
        return f">{max(row['updates'] for row in lanes):,}"
    return f"{median:,.0f}"


def samples(lanes: Sequence[Row]) -> str:
    """The median of the samples whose gradient was computed until then."""
    if not lanes:
        return ""
    median = float(np.median([*map(summary.samples, lanes)]))
    if math.isinf(median):
        return f">{max(row['batch'] * max(row['curve_gradients']) for row in lanes):,}"
    return f"{median:,.0f}"


def _levels(rows: Sequence[Row]) -> str:
    levels = {row["task"]: f"{100 * row['solved_accuracy']:.0f} %" for row in rows}
    if len(set(levels.values())) == 1:
        return next(iter(levels.values()))
    return ", ".join(f"{task} {level}" for task, level in levels.items())


def _span(values: Iterable[int]) -> str:
    found = set(values)
    return " to ".join(f"{value:,}" for value in sorted({min(found), max(found)}))
