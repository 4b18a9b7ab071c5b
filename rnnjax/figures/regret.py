"""The picture of regret: a network's loss beside the best possible one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from rnnjax.autocomplete.summary import by_shape, shape_name
from rnnjax.figures import canvas
from rnnjax.figures.autocomplete import band, networks
from rnnjax.results.schema import Row

SHOWN = (0, 1, 2, 4, 8)  # words of context that are marked
LEAST = 1e-4  # nats of the regret that are shown


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
        of_regret.set_yscale("log")
        _references(of_loss, of_regret, first)
        of_loss.set(xlabel="updates", ylim=(0, None))
        of_loss.set(ylabel="validation loss (nats a scored character)")
        of_regret.set(xlabel="updates", ylabel="regret (nats above the best)")
        canvas.legend(fig, of_loss)
        text = (
            f"{networks(rows)} Topics switch with probability {first['switch']:g} after "
            "each word. Black: the best possible loss. Gray: the best that sees the last "
            "k words and the letters typed. Dotted: word frequencies without letters."
        )
        canvas.caption(fig, "What is left to learn: loss above the best possible", text)


def _references(of_loss: Any, of_regret: Any, row: Row) -> None:
    """The lines across."""
    least, gray = row["valid_optimum"], {"color": "0.6", "lw": 0.8}
    of_loss.axhline(least, color="black", lw=1)
    of_loss.axhline(row["unigram_entropy"], ls=":", **gray)
    known = dict(zip(row["contexts"], row["valid_context_regrets"]))
    low = of_regret.get_ylim()[0]
    for k in SHOWN:
        if known[k] < LEAST:
            break
        of_loss.axhline(least + known[k], **gray)
        of_regret.axhline(known[k], **gray)
        _label(of_regret, f"k = {k}", max(known[k], low))
    _label(of_loss, "word frequencies", row["unigram_entropy"])
    _label(of_loss, "best possible", least, below=True)


def _label(axis: Any, text: str, height: float, below: bool = False) -> None:
    axis.annotate(
        text,
        (0.99, height),
        xycoords=("axes fraction", "data"),
        xytext=(0, -3 if below else 3),
        textcoords="offset points",
        ha="right",
        va="top" if below else "bottom",
        fontsize=7,
    )
