"""Pictures of autocomplete: learning curves, and accuracy by letters typed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from rnnjax.autocomplete.summary import Shape, by_shape, shape_name
from rnnjax.figures import canvas
from rnnjax.results.schema import Row

# Validation loss of the published runs, as pairs of an update and the loss after it.
# They are one run each on text8, with 2 x 600 units (nested: 1 x 600) and batches of 64
# (github.com/distillpub/post--memorization-in-rnns).
PUBLISHED = {
    "gru": (
        (1, 9.704),
        (500, 7.92),
        (1000, 7.91),
        (2000, 7.84),
        (4000, 3.42),
        (7140, 2.41),
        (10000, 2.21),
    ),
    "lstm": (
        (1, 9.704),
        (500, 6.15),
        (1000, 3.90),
        (2000, 2.83),
        (4000, 2.47),
        (7140, 2.31),
        (10000, 2.23),
    ),
    "nested_lstm": (
        (1, 9.703),
        (500, 4.98),
        (1000, 3.67),
        (2000, 3.01),
        (4000, 2.73),
        (7140, 2.58),
        (10000, 2.52),
    ),
}
# Rows with these values are comparable with the published runs.
COMPARABLE = {"text": "text8", "hidden_size": 600, "batch": 64}


def draw(
    rows: Sequence[Row], seconds: Mapping[Shape, float], folder: epath.PathLike
) -> None:
    """Draws all pictures; `seconds` are those of `summary.seconds_per_update`."""
    curve(rows, seconds, folder)
    letters(rows, folder)


def curve(
    rows: Sequence[Row], seconds: Mapping[Shape, float], folder: epath.PathLike
) -> None:
    """`curve.png`: validation loss over updates, and over seconds of training.

    Seeds that diverged are left out. For a shape that is comparable with a published
    run, the curve of that run is added, dotted.
    """
    with canvas.figure(folder, "curve", 1, 2, (4.2, 3.5), sharey=True) as (fig, axes):
        by_updates, by_seconds = axes[0]
        shapes = by_shape(rows)
        for k, (shape, lanes) in enumerate(shapes):
            whole = [row for row in lanes if None not in row["valid_losses"]]
            if not whole:
                continue
            updates = np.asarray(whole[0]["valid_updates"])
            losses = [row["valid_losses"] for row in whole]
            style = canvas.style(k, len(shapes))
            band(by_updates, updates, losses, label=shape_name(shape, rows), **style)
            if shape in seconds:
                band(by_seconds, updates * seconds[shape], losses, **style)
            if shape.cell in PUBLISHED and COMPARABLE.items() <= whole[0].items():
                by_updates.plot(
                    *zip(*PUBLISHED[shape.cell]),
                    ls=(0, (1, 3)),
                    lw=1,
                    color=style["color"],
                    label=f"{shape.cell}, published",
                )
        for axis in axes[0]:
            axis.axhline(rows[0]["unigram_entropy"], color="0.6", lw=0.8, ls=":")
        by_updates.set(xlabel="updates")
        by_updates.set(ylabel="validation loss (nats a scored character)")
        by_seconds.set(xlabel="seconds of training, one seed")
        by_updates.annotate(
            "word frequencies alone",
            (0.99, rows[0]["unigram_entropy"]),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=7,
        )
        canvas.legend(fig, by_updates)
        text = (
            f"{networks(rows)} Validation loss in nats a scored character; one "
            "setting each, no search. Gray: word frequencies alone."
        )
        canvas.caption(fig, "Learning to name the word that is typed", text)


def letters(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`letters.png`: test accuracy by letters of the word that were read."""
    with canvas.figure(folder, "letters", 1, 1, (4.6, 3.4)) as (fig, axes):
        axis, shapes = axes[0][0], by_shape(rows)
        for k, (shape, lanes) in enumerate(shapes):
            trained = [row for row in lanes if row["status"] == "trained"]
            accuracy = np.asarray(
                [row["test_top1_by_letters"] for row in trained], float
            )
            known = np.flatnonzero(np.isfinite(accuracy).all(axis=0))
            if trained and len(known):
                label = shape_name(shape, rows)
                style = canvas.style(k, len(shapes))
                band(axis, known, accuracy[:, known], label=label, **style)
        last = len(rows[0]["test_top1_by_letters"]) - 1
        axis.set(
            xlabel=f"letters typed ({last}: or more)", ylabel="accuracy", ylim=(0, 1)
        )
        canvas.legend(fig, axis)
        text = (
            f"{networks(rows)} Fraction of scored characters of "
            f"{rows[0]['test_windows']:,} test windows."
        )
        canvas.caption(fig, "Accuracy by the letters that were typed", text)


def networks(rows: Sequence[Row]) -> str:
    """What lines and bands are, and of how many networks."""
    counts = {len(lanes) for _, lanes in by_shape(rows)}
    if counts == {1}:
        return "Lines: one network each (one seed)."
    number = " to ".join(str(n) for n in sorted({min(counts), max(counts)}))
    return (
        f"Lines: means of {number} networks, one a seed. Bands: from the least to the "
        "greatest of them, no interval."
    )


def band(axis: Any, x: np.ndarray, values: Any, color: Any, **style: Any) -> None:
    """Draws the mean of values [seeds, len(x)] and their range."""
    values = np.asarray(values, float)
    axis.plot(x, values.mean(axis=0), ms=3.5, lw=1.2, color=color, **style)
    low, high = values.min(axis=0), values.max(axis=0)
    axis.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
