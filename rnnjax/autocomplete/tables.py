"""The table that a run prints, from rows alone. Needs no JAX."""

from rnnjax.autocomplete import summary
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table

METRICS = {
    "test_loss": "test loss",
    "test_top1": "accuracy",
    "test_top2": "in 2 most likely",
    "test_top3": "in 3",
    "test_top1_of_all": "accuracy of all",
}
CONNECTIVITY = {
    "context_fraction": "before the word",
    "context_fraction_squared": "squared norm",
    "context_lag": "mean lag",
    "context_lag_squared": "squared norm",
}


def tables(rows: list[Row]) -> list[Table]:
    """Loss and accuracy of each shape, and its connectivity if that was computed."""
    made = [_accuracies(rows)]
    if summary.has_connectivity(rows):
        made.append(_connectivity(rows))
    return made


def _accuracies(rows: list[Row]) -> Table:
    lines = [
        [
            summary.shape_name(shape, rows),
            f"{line['parameters']:,}",
            *(_mean_and_sd(line, key) for key in METRICS),
        ]
        for (shape, _), line in zip(summary.by_shape(rows), summary.summary(rows))
    ]
    seeds = len({row["seed"] for row in rows})
    notes = [
        f"Mean ± standard deviation of {seeds} seeds, {rows[0]['updates']:,} updates "
        "each; one setting, no search.",
        f"From word frequencies alone: {rows[0]['unigram_entropy']:.3f} nats. "
        "'of all' counts padding and unknown words as wrong.",
    ]
    title = (
        "naming the word at every character: nats and fractions of scored characters, "
        f"{rows[0]['test_windows']} test windows"
    )
    return Table(title, ["cell", "parameters", *METRICS.values()], lines, notes)


def _connectivity(rows: list[Row]) -> Table:
    lines, trainings = [], []
    for (shape, _), line in zip(summary.by_shape(rows), summary.summary(rows)):
        if "trainings" in line:
            trainings.append(line["trainings"])
            name = summary.shape_name(shape, rows)
            lines.append([name, *(_mean_and_interval(line, k) for k in CONNECTIVITY)])
    text = summary.interval_text(trainings)
    notes = [
        text[0].upper() + text[1:] + ".",
        "before the word: fraction of connectivity before the current word; mean lag: "
        "in characters; each by the norm of the gradient, then by its square.",
    ]
    title = "connectivity: how far back an output looks"
    return Table(title, ["cell", *CONNECTIVITY.values()], lines, notes)


def _mean_and_sd(line: Row, key: str) -> str:
    deviation = line[f"{key}_sd"]
    text = _number(line[key], 3)
    return text if deviation is None else f"{text} ± {deviation:.3f}"


def _mean_and_interval(line: Row, key: str) -> str:
    digits = 3 if "fraction" in key else 2
    text = _number(line[key], digits)
    if line[f"{key}_low"] is None:
        return text
    low, high = (_number(line[key + end], digits) for end in ("_low", "_high"))
    return f"{text} ({low} to {high})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
