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
CONNECTIVITY = {"context_fraction": "before the word", "context_lag": "mean lag"}


def tables(rows: list[Row]) -> list[Table]:
    """Loss, accuracy and connectivity of each shape, as means over seeds."""
    measured = CONNECTIVITY if summary.has_connectivity(rows) else {}
    lines = [
        [
            summary.shape_name(shape, rows),
            f"{line['parameters']:,}",
            *(_mean_and_sd(line, key) for key in METRICS),
            *(_number(line.get(key), 2) for key in measured),
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
    if measured:
        notes.append(
            "before the word: fraction of connectivity before the current word; "
            "mean lag: in characters."
        )
    title = (
        "naming the word at every character: nats and fractions of scored characters, "
        f"{rows[0]['test_windows']} test windows"
    )
    columns = ["cell", "parameters", *METRICS.values(), *measured.values()]
    return [Table(title, columns, lines, notes)]


def _mean_and_sd(line: Row, key: str) -> str:
    deviation = line[f"{key}_sd"]
    text = _number(line[key], 3)
    return text if deviation is None else f"{text} ± {deviation:.3f}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
