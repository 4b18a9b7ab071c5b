"""The table that a run prints, from rows alone. Needs no JAX."""

from rnnjax.autocomplete import summary
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table
from rnnjax.text import contexts

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
    if summary.has_regret(rows):
        made += [_regret(rows), *_regret_by_letters(rows), _best(rows)]
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


def _regret(rows: list[Row]) -> Table:
    first = rows[0]
    lines = []
    for shape, lanes in summary.by_shape(rows):
        words = contexts.interval(summary.effective_context(lanes))
        name = summary.shape_name(shape, rows)
        lines.append([name, _entry(summary.regret(lanes), 4), words])
    over = "trainings" if len({row["seed"] for row in rows}) > 1 else "test windows"
    notes = [
        f"Loss above that of the best predictor, {first['optimum']:.4f} nats a scored "
        f"character; words of context: of the best predictor with the same loss. 95 % "
        f"intervals over {over}. The text switches its topic with probability "
        f"{first['switch']:g} after each word.",
    ]
    title = "regret: nats above the best possible loss"
    return Table(title, ["cell", "regret", "words of context"], lines, notes)


def _regret_by_letters(rows: list[Row]) -> list[Table]:
    trained = [row for row in rows if "regret" in row]
    if not trained:
        return []
    known = enumerate(trained[0]["regret_by_letters"])
    letters = [k for k, value in known if value is not None]
    lines = [
        [
            summary.shape_name(shape, rows),
            *(_entry(summary.regret(lanes, k), 3) for k in letters),
        ]
        for shape, lanes in summary.by_shape(rows)
    ]
    title = "regret by letters of the word that were read, nats"
    return [Table(title, ["cell", *map(str, letters)], lines, detail=True)]


def _best(rows: list[Row]) -> Table:
    """The best possible losses, which the networks are compared with."""
    first = rows[0]
    pairs = zip(first["contexts"], first["context_regrets"])
    lines = [
        [str(k), f"{first['optimum'] + above:.4f}", f"{above:.4f}"]
        for k, above in pairs
    ]
    lines.append(["all", f"{first['optimum']:.4f}", "0.0000"])
    notes = [f"Word frequencies, without letters: {first['unigram_entropy']:.4f} nats."]
    title = "the best possible loss by words of context, on the test windows"
    columns = ["words seen", "nats", "above the best"]
    return Table(title, columns, lines, notes, detail=True)


def _entry(values: contexts.Values, digits: int) -> str:
    """A mean and its interval: "2.3 (1.9 to 2.8)"; the mean alone if it has none."""
    mean, low, high = (_number(value, digits) for value in values)
    return mean if "-" in (low, high) else f"{mean} ({low} to {high})"


def _mean_and_interval(line: Row, key: str, digits: int) -> str:
    text = _number(line.get(key), digits)
    if line.get(f"{key}_low") is None:
        return text
    low, high = (_number(line[key + end], digits) for end in ("_low", "_high"))
    return f"{text} ({low} to {high})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
