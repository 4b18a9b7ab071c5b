"""The picture of regret: a network's loss beside the best possible one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from rnnjax.autocomplete.summary import Shape, by_shape, shape_name
from rnnjax.figures import canvas
from rnnjax.figures.autocomplete import band, networks
from rnnjax.results.schema import Row

SHOWN = (0, 1, 2, 4, 8)  # words of context that are marked
LEAST = 1e-4  # nats of regret that are shown


def curve(rows: Sequence[Row], folder: epath.PathLike) -> None:
    """`regret.png`: validation loss, and its regret, over updates.

    Lines across are the best losses of predictors that see the last k words, the best
    of all, and that of word frequencies without letters.
    """
    first = rows[0]
    with canvas.figure(folder, "regret", 1, 2, (4.2, 3.5)) as (fig, axes):
        of_loss, of_regret = axes[0]
        shapes = by_shape(rows)
        for k, (shape, lanes) in enumerate(shapes):
            whole = [row for row in lanes if None not in row["valid_losses"]]
            if not whole:
                continue
            updates = np.asarray(whole[0]["valid_updates"])
            losses = np.asarray([row["valid_losses"] for row in whole])
            style = canvas.style(k, len(shapes))
            band(of_loss, updates, losses, label=shape_name(shape, rows), **style)
            above = np.maximum(losses - first["valid_optimum"], LEAST)
            band(of_regret, updates, above, **style)
        _references(of_loss, of_regret, first)
        of_loss.set(ylabel="validation loss (nats a scored character)")
        of_regret.set(ylabel="regret (nats above the best)")
        for axis in axes[0]:
            axis.set(xlabel="updates", yscale="log")
            _plain_ticks(axis)
        canvas.legend(fig, of_loss)
        text = (
            f"{networks(rows)} Topics switch with probability {first['switch']:g} "
            "after each word. Black: the best possible loss. Gray: the best that sees "
            "the last k words and the letters typed. Dotted: word frequencies without "
            "letters."
        )
        canvas.caption(fig, "What is left to learn: loss above the best possible", text)


def _plain_ticks(axis: Any) -> None:
    """Labels 1, 2 and 5 of each power of ten of the y-axis, as 0.05."""
    from matplotlib import ticker

    axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(ticker.NullFormatter())


def _references(of_loss: Any, of_regret: Any, row: Row) -> None:
    """The lines across."""
    least, gray = row["valid_optimum"], {"color": "0.6", "lw": 0.8, "zorder": 1}
    of_loss.axhline(least, color="black", lw=1)
    of_loss.axhline(row["unigram_entropy"], ls=":", **gray)
    known = dict(zip(row["contexts"], row["valid_context_regrets"]))
    for k in SHOWN:
        if known[k] < LEAST:
            break
        of_loss.axhline(least + known[k], **gray)
        of_regret.axhline(known[k], **gray)
        _label(of_regret, f"k = {k}", known[k], "center", at=1.01)
    _label(of_loss, "word frequencies", row["unigram_entropy"], "bottom")
    _label(of_loss, "best possible", least, "top")


def _label(axis: Any, text: str, height: float, place: str, at: float = 0.02) -> None:
    """Names a line across, at a fraction of the width."""
    axis.annotate(
        text,
        (at, height),
        xycoords=("axes fraction", "data"),
        xytext=(0, {"top": -2, "bottom": 2}.get(place, 0)),
        textcoords="offset points",
        va=place,
        fontsize=7,
    )


BESIDE = 1.08  # from the points of one network to those of the next
PANELS = {  # of a sweep
    "regret": "regret (nats above the best)",
    "effective_context": "words of context",
    "context_lag": "mean lag (characters)",
    "merge_time": "merge time (steps)",
}


def name(line: Row, lines: Sequence[Row]) -> str:
    """The name of a network: its cell, with layers and units if others differ."""
    shape = Shape(line["cell"], line["layers"], line["hidden_size"])
    return shape_name(shape, lines)


def sweep(lines: Sequence[Row], folder: epath.PathLike) -> None:
    """`regrets.png`: regret and measures of memory over --switch, a line a network.

    `lines` are those of `benchmarks.regret`.
    """
    shown = {
        key: label
        for key, label in PANELS.items()
        if any(line.get(key) is not None for line in lines)
    }
    names = list(dict.fromkeys(name(line, lines) for line in lines))
    with canvas.figure(folder, "regrets", 1, len(shown), (3.1, 3.2)) as (fig, axes):
        for axis, (key, label) in zip(axes[0], shown.items()):
            for k, of_one in enumerate(names):
                some = [line for line in lines if name(line, lines) == of_one]
                style = canvas.style(k, len(names))
                beside = BESIDE ** (k - (len(names) - 1) / 2)
                _points(axis, some, key, beside, label=of_one, **style)
            axis.set(xlabel="probability of another topic", ylabel=label)
            canvas.ticks_at(axis, [line["switch"] for line in lines])
            axis.set_ylim(bottom=0)
            if len({line["switch"] for line in lines}) == 1:
                axis.set_xlim(lines[0]["switch"] / 2, 2 * lines[0]["switch"])
        canvas.legend(fig, axes)
        counts = sorted({line["seeds"] for line in lines})
        number = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
        text = (
            f"Means of {number} networks a point with 95 % intervals. "
            "Words of context: what the best predictor needs for the same loss; not "
            "drawn where that is less than no word or more than 32."
        )
        if "merge_time" in shown:
            text += (
                " Merge times: medians, within 1e-4, of networks that name the next "
                "character."
            )
        canvas.caption(fig, "Regret and memory where topics last", text)


def _points(
    axis: Any, lines: Sequence[Row], key: str, beside: float, **style: Any
) -> None:
    """One network's means and intervals; `beside` keeps them apart from others'."""
    known = [line for line in lines if line.get(key) is not None]
    value, low, high = (
        np.asarray([line.get(f"{key}{end}") for line in known], float)
        for end in ("", "_low", "_high")
    )
    ends = np.nan_to_num([value - low, high - value])  # without an interval: none
    x = [beside * line["switch"] for line in known]
    axis.errorbar(x, value, ends, lw=1.2, ms=4, capsize=2, **style)
