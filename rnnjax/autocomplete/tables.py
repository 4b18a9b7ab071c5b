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
MAIN_DIGITS = {"test_loss": 2, "test_top1": 3, "context_fraction": 2}
CONNECTIVITY = {
    "context_fraction": "before the word",
    "context_fraction_squared": "squared norm",
    "context_lag": "mean lag",
    "context_lag_squared": "squared norm",
}


def tables(rows: list[Row]) -> list[Table]:
    """Loss, accuracy and how far back each shape looks; then all numbers as details."""
    made = [_main(rows), _accuracies(rows)]
    if summary.has_connectivity(rows):
        made.append(_connectivity(rows))
    return made


def _main(rows: list[Row]) -> Table:
    columns = {"test_loss": "test loss, nats", "test_top1": "accuracy"}
    if summary.has_connectivity(rows):
        columns["context_fraction"] = "before the word"
    lines = [
        [
            summary.shape_name(shape, rows),
            *(_mean_and_interval(line, key, MAIN_DIGITS[key]) for key in columns),
        ]
        for (shape, _), line in zip(summary.by_shape(rows), summary.summary(rows))
    ]
    notes = [
        f"{summary.networks_text(rows)}; {rows[0]['updates']:,} updates, one setting, "
        f"no search. Fractions of scored characters of {rows[0]['test_windows']:,} "
        f"test windows. Word frequencies alone: {rows[0]['unigram_entropy']:.3f} nats.",
    ]
    if summary.has_connectivity(rows):
        notes.append(
            "before the word: fraction of connectivity before the current word, by the "
            "norm of the gradient; "
            f"{summary.interval_text(summary.trainings(rows))}."
        )
    title = "naming the word at every character"
    return Table(title, ["cell", *columns.values()], lines, notes)


def _accuracies(rows: list[Row]) -> Table:
    lines = [
        [
            summary.shape_name(shape, rows),
            f"{line['parameters']:,}",
            *(_mean_and_interval(line, key, 3) for key in METRICS),
        ]
        for (shape, _), line in zip(summary.by_shape(rows), summary.summary(rows))
    ]
    notes = ["'of all' counts padding and unknown words as wrong."]
    title = "loss in nats and accuracies, fractions of scored characters"
    columns = ["cell", "parameters", *METRICS.values()]
    return Table(title, columns, lines, notes, detail=True)


def _connectivity(rows: list[Row]) -> Table:
    lines = []
    for (shape, _), line in zip(summary.by_shape(rows), summary.summary(rows)):
        if "trainings" in line:
            digits = {key: 3 if "fraction" in key else 2 for key in CONNECTIVITY}
            texts = [_mean_and_interval(line, key, digits[key]) for key in CONNECTIVITY]
            lines.append([summary.shape_name(shape, rows), *texts])
    text = summary.interval_text(summary.trainings(rows))
    notes = [
        text[0].upper() + text[1:] + ".",
        "before the word: fraction of connectivity before the current word; mean lag: "
        "in characters; each by the norm of the gradient, then by its square.",
    ]
    title = "connectivity: how far back an output looks"
    return Table(title, ["cell", *CONNECTIVITY.values()], lines, notes, detail=True)


def _mean_and_interval(line: Row, key: str, digits: int) -> str:
    text = _number(line.get(key), digits)
    if line.get(f"{key}_low") is None:
        return text
    low, high = (_number(line[key + end], digits) for end in ("_low", "_high"))
    return f"{text} ({low} to {high})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
