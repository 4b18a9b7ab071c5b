"""The claims about capacity, and the numbers that stand for them."""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.capacity import search, summary
from rnnjax.capacity.schema import OWN
from rnnjax.report import effects, forms, published
from rnnjax.report.claim import Claim, Published
from rnnjax.report.effects import Contrast, Line
from rnnjax.report.pools import Pool
from rnnjax.results.schema import Row

FAMILY = "capacity"
SOURCE = "Collins, Sohl-Dickstein and Sussillo 2017"
BITS = 0.5  # smallest effect of interest, in bits per parameter
LETTER = 0.1  # in bits a character
SHARE = 0.05  # in the fraction of trainings
LEAST = 1000  # parameters of a network whose level is compared
RUN = "python -m benchmarks.capacity "
GROWTH = (
    f"{RUN}--cell=rnn_tanh --budgets=100,200,500,1000,2000 --out_dir=results/growth"
)
CELLS = (
    f"{RUN}--cell={','.join(published.ORDER)} --budgets=200 --seeds=10 "
    "--out_dir=results/order"
)
LAYERS = (
    f"{RUN}--cell=rnn_tanh --layers=1,2,4 --budgets=500 --seeds=10 "
    "--out_dir=results/depth"
)
STARTS = (
    f"{RUN}--cell=rnn_tanh,rnn_relu --recurrent_init=orthogonal,identity "
    "--budgets=200 --seeds=10 --out_dir=results/starts"
)
UNITS = (
    f"{RUN}--task=units --cell=rnn_tanh,gru,lstm --hidden_sizes=32,48,64 "
    "--seeds=10 --out_dir=results/units"
)
FUNCTION = (
    f"{RUN}--task=random_function --cell=rnn_tanh,gru,lstm --budgets=500 "
    "--seeds=10 --out_dir=results/function"
)
CHARACTERS = (
    f"{RUN}--task=characters --cell=rnn_tanh,gru,lstm --budgets=10000 "
    "--seeds=10 --out_dir=results/characters"
)
FAILURES = (
    f"{RUN}--task=parentheses --cell=rnn_tanh,irnn,gru,lstm --budgets=2000 "
    "--trials=128 --rungs=1 --updates=500 --learning_rate=1e-4:1 --clip=1e6 "
    "--recurrent_gain=0.5:4 --overflow=clip --learn_carry --out_dir=results/failed"
)
SMALL = "Published at 200,000 parameters and with many more updates."


def draws(rows: Sequence[Row], key: str, **where: Any) -> list[float]:
    """`key` of the draws of a search, or the means over those of each of several.

    Of the rows that meet `where`, at their largest budget; of several numbers of steps
    those with most rows. Bits are for each parameter. Initial weights are the cell's
    own, unless `where` names others.
    """
    where = {"recurrent_init": OWN} | where
    some = [row for row in rows if all(row[k] == v for k, v in where.items())]
    found = summary.points(some)
    if not found:
        return []
    *_, trials = max(found, key=lambda point: (point[1], len(point[2])))
    if key == "bits":
        return summary.values(trials, summary.bits_per_parameter)
    return summary.values(trials, operator.itemgetter(key))


def linear(pool: Pool) -> Line | None:
    """The exponent of the power law by which bits grow with parameters, minus 1."""
    for series in summary.series(pool.rows):
        found = summary.growth_of(pool.rows, series)
        if found is not None and found.exponent.n > 2:
            exponent = found.exponent
            assert exponent.mean is not None and exponent.sd is not None
            return Line(exponent.n, exponent.mean - 1, exponent.sd)
    return None


def level(pool: Pool) -> Contrast | None:
    """Bits per parameter at the largest budget of `LEAST` parameters or more."""
    large = [row for row in pool.rows if row["parameters"] >= 0.95 * LEAST]
    return effects.over_seeds(draws(large, "bits", layers=1))


def between(
    pool: Pool, key: str, one: dict[str, Any], other: dict[str, Any]
) -> Contrast | None:
    """The difference of two groups of networks with equal budgets."""
    budgets = [
        {row["budget"] for row in pool.rows if all(row[k] == v for k, v in x.items())}
        for x in (one, other)
    ]
    rows = [row for row in pool.rows if row["budget"] in set.intersection(*budgets)]
    return effects.difference(*(draws(rows, key, **x) for x in (one, other)))


def order(pool: Pool) -> Contrast | None:
    """Bits per parameter from one cell to the next in the published order."""
    rows = [row for row in pool.rows if row["layers"] == 1]
    budgets = [
        {row["budget"] for row in rows if row["cell"] == cell}
        for cell in published.ORDER
    ]
    rows = [row for row in rows if row["budget"] in set.intersection(*budgets)]
    found = [draws(rows, "bits", cell=cell) for cell in published.ORDER]
    if not all(found):
        return None
    ranks = np.arange(len(found)) - (len(found) - 1) / 2
    weights = tuple((ranks / (ranks @ ranks)).tolist())
    return Contrast(tuple(map(np.asarray, found)), weights)


def numbers(pool: Pool) -> Contrast | None:
    """Numbers a unit: of networks without more units than numbers, for each draw."""
    by_draw: dict[tuple, list[float]] = {}
    for _, _, trials in summary.points(pool.rows):
        if trials[0]["hidden_size"] > trials[0]["input_size"]:
            continue
        for result in summary.results(trials):
            for row in result.draws:
                if row["loss"] is not None:
                    kept = (1 - row["loss"]) * row["input_size"] / row["hidden_size"]
                    by_draw.setdefault((row["search"], row["seed"]), []).append(kept)
    return effects.over_seeds(float(np.mean(v)) for v in by_draw.values())


def failures(pool: Pool, one: str, other: str) -> Contrast | None:
    """The difference in the fraction of failed trainings, paired by setting."""
    found: list[dict[tuple, int]] = [
        {
            (row["budget"], row["search"], row["trial"]): int(row["failed"])
            for row in pool.rows
            if row["cell"] == cell and row["stage"] == search.FIRST_RUNG
        }
        for cell in (one, other)
    ]
    both = sorted(found[0].keys() & found[1].keys())
    return effects.over_seeds(found[0][k] - found[1][k] for k in both)


def _claim(key: str, statement: str, **entries: Any) -> Claim:
    common = {"family": FAMILY, "source": f"{SOURCE}, on capacity"}
    key = f"capacity.{key}"
    return Claim(key, statement=statement, **(common | entries))


def _bits(key: str, statement: str, **entries: Any) -> Claim:
    """A claim about bits per parameter of the default task."""
    common = {"unit": "bits a parameter", "needs": ("bits", "samples")}
    return _claim(key, statement, **(common | entries))


def _same(key: str, what: str, **entries: Any) -> Claim:
    """Gated cells store as much as simple ones with as many parameters."""
    statement = f"{what} depends on the parameters, not on the cell (LSTM and tanh)."
    cells = {"cells": ("lstm", "rnn_tanh")}
    return _claim(key, statement, **cells, **entries)


def _failing(one: str, other: str, words: str) -> Claim:
    change = published.INFEASIBLE[one] - published.INFEASIBLE[other]
    return _claim(
        f"failed.{one}.{other}",
        f"Trainings of {words} fail more often.",
        source=f"{SOURCE}, table of infeasible settings",
        measured=f"fraction of failed trainings, {one} minus {other}, over random "
        "settings of hyperparameters that both have",
        unit="fraction of trainings",
        form=forms.Direction(1, SHARE),
        cells=(one, other),
        needs=("failed",),
        commands=(FAILURES,),
        effect=functools.partial(failures, one=one, other=other),
        published=Published(change),
        caveat=SMALL,
    )


CLAIMS: tuple[Claim, ...] = (
    _bits(
        "linear",
        "What simple networks store is proportional to their parameters.",
        measured="exponent of the power law of bits over parameters, minus 1, over "
        "searches",
        unit="exponent",
        form=forms.none(0.1),
        cells=("rnn_tanh",),
        commands=(GROWTH,),
        effect=linear,
        published=Published(0.0, null=None),
    ),
    _bits(
        "level",
        "Simple networks store 3 to 6 bits per parameter.",
        measured="bits per parameter at the largest budget of 1,000 and more",
        form=forms.Region(*published.BITS_RANGE),
        cells=("rnn_tanh",),
        commands=(GROWTH,),
        effect=level,
        published=Published(published.BITS_MEAN, *published.BITS_RANGE, null=None),
    ),
    *(
        _bits(
            f"layers.{layers}",
            f"Networks of {layers} layers store as much as those of one.",
            measured=f"bits per parameter, {layers} layers minus one, equal budgets",
            form=forms.none(BITS),
            cells=("rnn_tanh",),
            commands=(LAYERS,),
            effect=functools.partial(
                between, key="bits", one={"layers": layers}, other={"layers": 1}
            ),
            published=Published(0.0, null=None),
        )
        for layers in (2, 4)
    ),
    _bits(
        "order",
        "Simple networks store most, then UGRNN, GRU, LSTM and +RNN.",
        measured="slope of bits per parameter over the place in this order",
        unit="bits a place",
        form=forms.Direction(-1, 0.1),
        cells=published.ORDER,
        commands=(CELLS,),
        effect=order,
    ),
    _bits(
        "relu",
        "ReLU costs capacity.",
        measured="bits per parameter, tanh minus ReLU, orthogonal starts",
        form=forms.Direction(1, BITS),
        cells=("rnn_tanh", "rnn_relu"),
        commands=(STARTS,),
        effect=functools.partial(
            between,
            key="bits",
            one={"cell": "rnn_tanh", "recurrent_init": "orthogonal"},
            other={"cell": "rnn_relu", "recurrent_init": "orthogonal"},
        ),
        published=Published(published.BITS_MEAN - published.BITS_RELU),
    ),
    _bits(
        "identity",
        "The start at the identity costs no capacity.",
        measured="bits per parameter of ReLU networks, orthogonal minus identity start",
        form=forms.none(BITS),
        cells=("rnn_relu",),
        commands=(STARTS,),
        effect=functools.partial(
            between,
            key="bits",
            one={"recurrent_init": "orthogonal"},
            other={"recurrent_init": "identity"},
        ),
    ),
    *(
        _claim(
            f"units.{cell}",
            f"A unit of a network ({cell}) remembers one number.",
            measured="(1 - squared error) inputs / units, of networks with no more "
            "units than inputs; for each draw the mean over sizes",
            unit="numbers a unit",
            form=forms.near(1, 0.1),
            cells=(cell,),
            needs=("loss_bound", "loss", "input_size"),
            commands=(UNITS,),
            effect=numbers,
            published=Published(1.0, null=None),
        )
        for cell in ("rnn_tanh", "gru", "lstm")
    ),
    _same(
        "function",
        "What is stored of a random function",
        measured="bits per parameter, LSTM minus tanh, equal budgets",
        unit="bits a parameter",
        form=forms.none(BITS),
        needs=("bits",),
        commands=(FUNCTION,),
        effect=functools.partial(
            between, key="bits", one={"cell": "lstm"}, other={"cell": "rnn_tanh"}
        ),
    ),
    _same(
        "characters",
        "How well the next character is named",
        measured="loss, LSTM minus tanh, equal budgets",
        unit="bits a character",
        form=forms.none(LETTER),
        needs=("loss",),
        commands=(CHARACTERS,),
        effect=functools.partial(
            between, key="loss", one={"cell": "lstm"}, other={"cell": "rnn_tanh"}
        ),
    ),
    _failing("irnn", "rnn_tanh", "ReLU networks that start at the identity"),
    _failing("rnn_tanh", "gru", "simple networks, against GRUs,"),
    _failing("rnn_tanh", "lstm", "simple networks, against LSTMs,"),
)
