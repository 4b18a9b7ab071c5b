"""Pictures and tables of autocomplete, from rows alone."""

import numpy as np

from rnnjax.figures import canvas
from rnnjax.figures.memory_stability import shapes, title
from rnnjax.results import statistics

# Validation loss of the published runs, one each, on text8 with 2 x 600 units (nested: 1 x 600), batches of 64
# (distillpub/post--memorization-in-rnns).
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
COMPARABLE = {"text": "text8", "hidden_size": 600, "batch": 64}


def lines(rows: list[dict]):
    """Pairs of (cell, units, layers) and the rows of that shape."""
    return [
        ((cell, hidden_size, layers), some)
        for (cell, _, hidden_size, layers), some in shapes(rows)
    ]


def name(shape: tuple, rows: list[dict]) -> str:
    """What a shape is called."""
    cell, units, layers = shape
    return title(cell, layers) + (
        f", {units} units" if len({row["hidden_size"] for row in rows}) > 1 else ""
    )


def summary(rows: list[dict]) -> list[dict]:
    """One flat line a cell and size: means and spreads over seeds."""
    out = []
    for (cell, units, layers), some in lines(rows):
        line = {"cell": cell, "depth": layers, "units": units}
        line |= {
            key: some[0][key]
            for key in ("parameters", "words", "updates", "seeds")
            if key in some[0]
        }
        line |= {"seeds": len(some), "unigram_entropy": some[0]["unigram_entropy"]}
        for key in (
            "test_loss",
            "test_top1",
            "test_top2",
            "test_top3",
            "test_top1_of_all",
            "share",
            "lag",
        ):
            if key in some[0]:
                mean = statistics.mean(row[key] for row in some)
                line |= {key: mean.mean, f"{key}_sd": mean.sd}
        out.append(
            line | {"diverged": sum(row["status"] == "diverged" for row in some)}
        )
    return out


def draw(rows: list[dict], seconds: dict[tuple, float], folder) -> None:
    """`curve.png` and `letters.png`. `seconds` has those that an update of a shape took, of one lane."""
    _curves(rows, seconds, folder)
    _by_letters(rows, folder)


def _band(axis, x, values, **style):
    """The mean over seeds and the range."""
    values = np.asarray(values, float)
    drawn = axis.plot(x, values.mean(axis=0), "o-", ms=3, lw=1.2, **style)
    axis.fill_between(
        x,
        values.min(axis=0),
        values.max(axis=0),
        color=drawn[0].get_color(),
        alpha=0.2,
        lw=0,
    )
    return drawn[0].get_color()


def _curves(rows: list[dict], seconds: dict[tuple, float], folder) -> None:
    with canvas.figure(folder, "curve", 1, 2, (4.2, 3.5), sharey=True) as (fig, axes):
        left, right = axes[0]
        for shape, some in lines(rows):
            whole = [row for row in some if None not in row["valid_losses"]]
            if not whole:
                continue
            x, values = (
                np.asarray(whole[0]["valid_updates"]),
                [row["valid_losses"] for row in whole],
            )
            color = _band(left, x, values, label=name(shape, rows))
            if shape in seconds:
                _band(right, x * seconds[shape], values, color=color)
            if shape[0] in PUBLISHED and all(
                whole[0][key] == value for key, value in COMPARABLE.items()
            ):
                left.plot(
                    *zip(*PUBLISHED[shape[0]]),
                    ls="--",
                    lw=1,
                    color=color,
                    label=f"{shape[0]}, published",
                )
        for axis, label in (
            (left, "updates"),
            (right, "seconds of training, one seed"),
        ):
            axis.axhline(rows[0]["unigram_entropy"], color="0.6", lw=0.8, ls=":")
            axis.set(xlabel=label)
        left.set(ylabel="validation loss, nats a scored character")
        where = {
            "xycoords": ("axes fraction", "data"),
            "textcoords": "offset points",
            "xytext": (0, 3),
        }
        left.annotate(
            "most frequent words",
            (0.99, rows[0]["unigram_entropy"]),
            ha="right",
            fontsize=7,
            **where,
        )
        left.legend(frameon=False, fontsize=8)
        seeds = len({row["seed"] for row in rows})
        fig.suptitle(
            f"mean and range of {seeds} seeds; one setting each, nothing searched over",
            fontsize=8,
        )


def _by_letters(rows: list[dict], folder) -> None:
    with canvas.figure(folder, "letters", 1, 1, (4.6, 3.4)) as (fig, axes):
        axis = axes[0][0]
        for shape, some in lines(rows):
            values = [
                row["test_top1_by_letters"]
                for row in some
                if row["status"] == "trained"
            ]
            known = (
                [
                    k
                    for k in range(len(values[0]))
                    if all(v[k] is not None for v in values)
                ]
                if values
                else []
            )
            if known:
                _band(
                    axis,
                    known,
                    [[v[k] for k in known] for v in values],
                    label=name(shape, rows),
                )
        last = len(rows[0]["test_top1_by_letters"]) - 1
        axis.set(
            xlabel=f"letters typed ({last}: or more)",
            ylabel="share of words named right",
            ylim=(0, 1),
        )
        axis.legend(frameon=False, fontsize=8)
        fig.suptitle("test windows; mean and range over seeds", fontsize=8)
