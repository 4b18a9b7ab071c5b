"""The claims about optimization, and the numbers that stand for them."""

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.optimization import comparisons, summary
from rnnjax.optimization.comparisons import GLOROT, HE, Values
from rnnjax.optimization.schema import OWN
from rnnjax.report import effects, forms
from rnnjax.report.claim import Claim
from rnnjax.report.effects import Contrast, Share
from rnnjax.report.pools import Pool
from rnnjax.results.schema import Row

FAMILY = "optimization"
ACCURACY = 0.02  # smallest effect of interest, in accuracy
KEEPS_UP = 0.05
HALF = 0.5  # of the seeds: more solve a task, or fewer
ALL = 10**6  # trials: as many as there are
ADAM, FREE = "adam", "hessian_free"
IMAGES, SUMS = "rows", "adding"  # the tasks that claims are judged on
RUN = "python -m benchmarks.optimization --study="
OPTIMIZERS = f"{RUN}optimizers --out_dir=results/optimizers"
STARTS = f"{RUN}initializers --out_dir=results/initializers"
CURES = f"{RUN}cures --lengths=100 --updates=20000 --out_dir=results/cures"
MINIMAL = (
    f"{RUN}cures --cell=gru,lstm,mgu,min_gru,janet --optimizer=adam --lengths=50 "
    "--updates=4000 --out_dir=results/minimal"
)
NEEDS = ("accuracy", "solved_update", "searched")
OTHERS = {"adagrad", "nesterov", "rmsprop"}  # that Adam is compared with, at least
LONG = 50  # steps of sums, from which lags are long


def best(pool: Pool, values: Values) -> Contrast | None:
    """Accuracy of Adam minus that of the best other optimizer, over tasks and seeds."""
    rows = of_task(pool, IMAGES)
    if not all(summary.searched(lanes) for _, lanes in summary.methods(rows)):
        return None
    scores = comparisons.scores(rows, "optimizer", values)
    ours = scores.pop(ADAM, None)
    if ours is None or not scores.keys() >= OTHERS:
        return None
    changes = [
        tuple(a - b for a, b in zip(ours, others, strict=True))
        for others in scores.values()
    ]
    closest = min(changes, key=lambda some: float(np.mean([x.mean() for x in some])))
    return Contrast(closest, (1 / len(closest),) * len(closest))


def of_task(pool: Pool, task: str) -> list[Row]:
    """The rows of a task, of the number of units that most of them have."""
    rows = [row for row in pool.rows if row["task"] == task]
    return most_common(rows, "hidden_size")


def most_common(rows: Sequence[Row], key: str) -> list[Row]:
    counts = Counter(row[key] for row in rows)
    return [row for row in rows if row[key] == counts.most_common(1)[0][0]]


def chosen(rows: Sequence[Row], **where: Any) -> list[Row]:
    """Of the rows that meet `where`, for each seed that of its best trial."""
    some = [row for row in rows if all(row[k] == v for k, v in where.items())]
    some = most_common(some, "activation")
    return summary.chosen(some) or summary.default(some)


def gain(pool: Pool, cell: str) -> dict[int, float]:
    """For each seed the accuracy with He's start minus that with Glorot's."""
    he, glorot = (
        {row["seed"]: summary.score(row) for row in lanes}
        for lanes in (
            chosen(of_task(pool, IMAGES), cell=cell, initializer=start, optimizer=ADAM)
            for start in (HE, GLOROT)
        )
    )
    return {seed: he[seed] - glorot[seed] for seed in sorted(he.keys() & glorot.keys())}


def he(pool: Pool) -> Contrast | None:
    return effects.over_seeds(gain(pool, "rnn_relu").values())


def he_for_relu(pool: Pool) -> Contrast | None:
    """What He's start gains under ReLU minus what it gains under tanh, by seed."""
    relu, tanh = gain(pool, "rnn_relu"), gain(pool, "rnn_tanh")
    both = sorted(relu.keys() & tanh.keys())
    return effects.over_seeds(relu[seed] - tanh[seed] for seed in both)


def longest(pool: Pool) -> list[Row]:
    """The rows of the task of long lags, at its greatest length."""
    rows = of_task(pool, SUMS)
    length = max((row["length"] for row in rows), default=0)
    return [row for row in rows if row["length"] == length]


def solved(pool: Pool, cell: str, optimizer: str) -> Share | None:
    """Of the seeds, those that solve the longest task at their best trial."""
    rows = [row for row in longest(pool) if row["length"] >= LONG]
    lanes = chosen(rows, cell=cell, initializer=OWN, optimizer=optimizer)
    count = sum(row["solved_update"] is not None for row in lanes)
    return Share(count, len(lanes)) if lanes else None


def behind(pool: Pool, cell: str, other: str) -> Contrast | None:
    """Accuracy of a cell minus that of another on the longest task, by seed."""
    one, two = (
        [
            row | {"score": summary.score(row)}
            for row in chosen(longest(pool), cell=c, initializer=OWN, optimizer=ADAM)
        ]
        for c in (cell, other)
    )
    return effects.paired(one, two, "score", ("seed",))


def _claim(key: str, source: str, statement: str, **entries: Any) -> Claim:
    common = {"family": FAMILY, "needs": NEEDS}
    key = f"optimization.{key}"
    return Claim(key, source=source, statement=statement, **(common | entries))


def _adam(key: str, values: Values, what: str, words: str) -> Claim:
    return _claim(
        key,
        "after Kingma and Ba 2015, on Adam",
        f"Adam trains best of all optimizers, {words}.",
        measured=f"test accuracy {what} on images read by rows, Adam minus the best of "
        f"the others, {', '.join(sorted(OTHERS))} among them; by seed",
        unit="accuracy",
        form=forms.Direction(1, ACCURACY),
        cells=("lstm",),
        commands=(OPTIMIZERS,),
        effect=functools.partial(best, values=values),
    )


def _cure(key: str, source: str, what: str, cell: str, optimizer: str) -> Claim:
    fails = key == "plain"
    return _claim(
        f"cures.{key}",
        source,
        f"{what} {'fail at' if fails else 'learn'} long lags.",
        measured="fraction of seeds that solve the longest sums, of at least "
        f"{LONG} steps, at their best trial",
        unit="fraction of seeds",
        form=forms.at_most(0, HALF) if fails else forms.at_least(1, HALF),
        cells=(cell,),
        commands=(CURES,),
        effect=functools.partial(solved, cell=cell, optimizer=optimizer),
    )


def _minimal(cell: str, other: str, source: str) -> Claim:
    return _claim(
        f"minimal.{cell}",
        source,
        f"The minimal gated cell {cell} keeps up with {other}.",
        measured=f"test accuracy on the longest sums, each cell at its best trial, "
        f"{cell} minus {other}, by seed",
        unit="accuracy",
        form=forms.at_least(0, KEEPS_UP),
        cells=(cell, other),
        commands=(MINIMAL,),
        effect=functools.partial(behind, cell=cell, other=other),
    )


CLAIMS: tuple[Claim, ...] = (
    _adam(
        "adam.defaults",
        comparisons.at_defaults,
        "at the defaults",
        "at their defaults",
    ),
    _adam(
        "adam.best",
        functools.partial(comparisons.of_budget, ALL),
        "of the best of all trials",
        "each at its best learning rate",
    ),
    _claim(
        "he.relu",
        "He et al. 2015, on initial weights",
        "Networks with ReLU learn better from He's initial weights than from Glorot's.",
        measured="test accuracy with ReLU on images read by rows, He minus Glorot, by "
        "seed",
        unit="accuracy",
        form=forms.Direction(1, ACCURACY),
        cells=("rnn_relu",),
        commands=(STARTS,),
        effect=he,
    ),
    _claim(
        "he.interaction",
        "He et al. 2015, on initial weights",
        "Networks with ReLU gain more from He's weights than networks with tanh.",
        measured="that difference with ReLU minus that with tanh, by seed",
        unit="accuracy",
        form=forms.Direction(1, ACCURACY),
        cells=("rnn_relu", "rnn_tanh"),
        commands=(STARTS,),
        effect=he_for_relu,
    ),
    _cure(
        "plain",
        "Bengio, Simard and Frasconi 1994",
        "Plain tanh networks trained by gradient descent",
        "rnn_tanh",
        ADAM,
    ),
    _cure(
        "gates",
        "Hochreiter and Schmidhuber 1997",
        "Gated networks (LSTM)",
        "lstm",
        ADAM,
    ),
    _cure(
        "identity",
        "Le, Jaitly and Hinton 2015",
        "ReLU networks that start at the identity",
        "irnn",
        ADAM,
    ),
    _cure(
        "curvature",
        "Martens and Sutskever 2011",
        "Plain tanh networks trained by Hessian-free optimization",
        "rnn_tanh",
        FREE,
    ),
    _minimal("mgu", "gru", "Zhou et al. 2016"),
    _minimal("min_gru", "gru", "Feng et al. 2024"),
    _minimal("janet", "lstm", "van der Westhuizen and Lasenby 2018"),
)
