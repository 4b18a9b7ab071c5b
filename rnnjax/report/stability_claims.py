"""The claims about memory stability, and the numbers that stand for them."""

import dataclasses
import functools
from typing import Any

import numpy as np

from rnnjax.memory_stability import slopes, summary
from rnnjax.memory_stability.schema import DEFAULT_CRITERIA, FRESH, TRAINED
from rnnjax.report import effects, forms, published
from rnnjax.report.claim import Claim, Published
from rnnjax.report.effects import Contrast, Scale, Share
from rnnjax.report.pools import Pool
from rnnjax.results import bootstrap
from rnnjax.results.schema import Row

FAMILY = "memory stability"
SOURCE = "Muccino 2019"
OURS = "a question of ours, beside Muccino 2019"
HORIZON = 99_000  # shared steps of a published run
LARGEST = 128  # units of a published run
STEP, STEPS = 0.5, 2.0  # smallest effects: of a doubling, of a difference
PAIR = ("seed", "input_size", "hidden_size")
GRID = "python -m benchmarks.memory_stability --cell={}"
SLOPES = GRID.format(
    "lstm,gru --steps=6000 --criteria=1e-4,1e-6 --out_dir=results/slopes"
)
DEPTHS = (
    "python -m benchmarks.memory_stability --cell=lstm,gru --layers=1,2 "
    "--hidden_sizes=16,32,64,128 --input_sizes=16 --steps=6000 --out_dir=results/depths"
)
EQUAL = (
    "python -m benchmarks.memory_stability --cell=lstm,gru --keep_bias=1 "
    "--hidden_sizes=16,32,64,128 --input_sizes=16 --steps=6000 --out_dir=results/equal"
)
TRAINING = (
    "python -m benchmarks.capacity --task=units --cell=lstm,gru --hidden_sizes=40 "
    "--seeds=10 --out_dir=results/trained",
    "python -m benchmarks.memory_stability --network=results/trained "
    "--out_dir=results/probed",
)


def lanes(pool: Pool, cell: str, key: str, layers: int = 1) -> list[Row]:
    """The lanes of a cell that have `key` and did not diverge."""
    return [
        row
        for row in pool.rows
        if (row["cell"], row["layers"]) == (cell, layers)
        and key in row
        and row["status"] != "diverged"
    ]


def restricted(row: Row, key: str) -> float:
    """A time; one beyond the run, or `HORIZON`, counts as the end of that."""
    horizon = min(HORIZON, row.get("shared_steps", HORIZON))
    return bootstrap.restricted_mean([row[key]], horizon)


def growth(pool: Pool, cell: str, key: str, size: str) -> Contrast | None:
    """What a doubling of a size adds to a time, mean over the other size, by seed.

    Times until outputs are identical are in doublings, log2(1 + time), as they grow
    over orders of magnitude; what is beyond the horizon counts as the horizon, and
    lanes that were not followed so far have no part.
    """
    other, identical = slopes.OTHER[size], key == "first_identical"
    points: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for row in lanes(pool, cell, key):
        if row["hidden_size"] < slopes.MIN_UNITS or row["weights"] != FRESH:
            continue
        if identical and row["shared_steps"] < HORIZON:
            continue
        time = restricted(row, key)
        y = np.log2(1 + time) if identical else time
        points.setdefault((row["seed"], row[other]), []).append((row[size], y))
    by_seed: dict[int, list[float]] = {}
    for (seed, _), line in points.items():
        if len(line) >= slopes.MIN_SIZES:
            x, y = np.transpose(line)
            by_seed.setdefault(seed, []).append(np.polyfit(np.log2(x), y, 1)[0])
    return effects.over_seeds(float(np.mean(v)) for v in by_seed.values())


def never(pool: Pool, cell: str) -> Share | None:
    """Of the seeds, those whose largest networks all become identical in time."""
    rows = lanes(pool, cell, "first_identical")
    largest = [r for r in rows if r["hidden_size"] == LARGEST and r["weights"] == FRESH]
    whole = [r for r in largest if r.get("shared_steps", 0) >= HORIZON]
    met = {row["seed"]: True for row in whole}
    for row in whole:
        met[row["seed"]] &= row["first_identical"] is not None
    return Share(sum(met.values()), len(met)) if met else None


def advantage(pool: Pool) -> Contrast | None:
    """How much later the outputs of an LSTM agree than those of a GRU, by seed."""
    lstm, gru = (
        [r for r in within(pool, cell) if r["hidden_size"] >= slopes.MIN_UNITS]
        for cell in ("lstm", "gru")
    )
    return effects.paired(lstm, gru, "time", PAIR)


def deeper(pool: Pool, cell: str) -> Contrast | None:
    two, one = (within(pool, cell, layers) for layers in (2, 1))
    return effects.paired(two, one, "time", PAIR)


def trained(pool: Pool, cell: str) -> Contrast | None:
    """Trained minus fresh networks, as log2 of 1 + time: some never agree."""
    logs = [row | {"log": np.log2(1 + row["time"])} for row in within(pool, cell)]
    after, before = (
        [row for row in logs if row["weights"] == kind] for kind in (TRAINED, FRESH)
    )
    found = effects.paired(after, before, "log", PAIR)
    censored = any(row["first_1e-4"] is None for row in after)
    return found and dataclasses.replace(found, at_least=censored)


def within(pool: Pool, cell: str, layers: int = 1) -> list[Row]:
    """The lanes of a cell with `time`, the steps until outputs agree within 1e-4."""
    key = "first_1e-4"
    rows = lanes(pool, cell, key, layers)
    return [row | {"time": restricted(row, key)} for row in rows]


def _first_agreements(pool: Pool) -> np.ndarray | None:
    """`first_cosine` of LSTMs, [inputs, units, seeds]; None unless all are there."""
    found: dict[tuple[int, int], dict[int, float]] = {}
    for row in lanes(pool, "lstm", "first_cosine"):
        shape = row["input_size"], row["hidden_size"]
        if row["weights"] == FRESH and row["first_cosine"] is not None:
            found.setdefault(shape, {})[row["seed"]] = row["first_cosine"]
    shapes = [(i, h) for i in published.SIZES for h in published.SIZES]
    if any(shape not in found for shape in shapes):
        return None
    seeds = sorted(set.intersection(*(set(found[shape]) for shape in shapes)))
    if len(seeds) < 2:
        return None
    steps = [[found[shape][seed] for seed in seeds] for shape in shapes]
    return np.asarray(steps).reshape(len(published.SIZES), -1, len(seeds))


def table_level(pool: Pool) -> Contrast | None:
    """Ours minus the published table, mean over all shapes, by seed."""
    steps = _first_agreements(pool)
    if steps is None:
        return None
    return effects.over_seeds(steps.mean((0, 1)) - np.mean(published.LSTM_STEPS))


def table_shape(pool: Pool) -> Scale | None:
    """z^2 of each shape: squared difference over the sampling error of both tables.

    The variance is that of our seeds, pooled over neighboring shapes; networks of one
    unit, whose cosine is a sign, are pooled among themselves. 1 is expected of draws
    from one distribution.
    """
    steps = _first_agreements(pool)
    if steps is None:
        return None
    inputs, units, seeds = steps.shape
    variances = steps.var(2, ddof=1)
    errors = 1 / published.LSTM_RUNS + 1 / seeds
    z2 = []
    for i in range(inputs):
        for j in range(units):
            columns = slice(max(j - 1, 1), j + 2) if j else slice(0, 1)
            pooled = variances[max(i - 1, 0) : i + 2, columns].mean()
            difference = steps[i, j].mean() - published.LSTM_STEPS[i][j]
            z2.append(difference**2 / (pooled * errors))
    return Scale(len(z2), float(np.mean(z2)))


def _criterion(name: str) -> str:
    return summary.criterion_title(name)


def _grows(cell: str, name: str) -> Claim:
    """More units, longer memory, by one criterion."""
    identical = name == "identical"
    what = "log2 of 1 + steps" if identical else "steps"
    return Claim(
        key=f"stability.units.{cell}.{name}",
        family=FAMILY,
        source=f"{SOURCE}, tables over units",
        statement=f"{cell.upper()}s of more units remember longer "
        f"({_criterion(name)}).",
        measured=f"{what} until outputs agree that a doubling of the units adds, from "
        "16 units on; for each seed the mean over input sizes",
        unit="doublings a doubling" if identical else "steps a doubling",
        form=forms.Direction(1, 0.25 if identical else STEP),
        cells=(cell,),
        needs=(f"first_{name}",),
        commands=(SLOPES if name in ("1e-4", "1e-6") else GRID.format(cell),),
        effect=functools.partial(
            growth, cell=cell, key=f"first_{name}", size="hidden_size"
        ),
    )


def _inputs(cell: str, statement: str, form: forms.Form) -> Claim:
    return Claim(
        key=f"stability.inputs.{cell}",
        family=FAMILY,
        source=f"{SOURCE}, tables over input sizes",
        statement=statement,
        measured="steps within 1e-4 that a doubling of the inputs adds, networks of 16 "
        "units and more; for each seed the mean over units",
        unit="steps a doubling",
        form=form,
        cells=(cell,),
        needs=("first_1e-4",),
        commands=(SLOPES,),
        effect=functools.partial(
            growth, cell=cell, key="first_1e-4", size="input_size"
        ),
    )


def _identical(cell: str) -> Claim:
    return Claim(
        key=f"stability.identical.{cell}",
        family=FAMILY,
        source=f"{SOURCE}, method",
        statement=f"The outputs of {cell.upper()}s become identical within 99,000 "
        "steps.",
        measured="fraction of seeds whose networks of 128 units all have identical "
        "outputs within 99,000 shared steps, over all input sizes",
        unit="fraction of seeds",
        form=forms.at_least(1, 0.1),
        cells=(cell,),
        needs=("first_identical", "shared_steps"),
        commands=(GRID.format(cell),),
        effect=functools.partial(never, cell=cell),
    )


def _table(key: str, statement: str, **changes: Any) -> Claim:
    """Against a published table."""
    cell = key.partition(".")[0]
    entries: dict[str, Any] = {
        "source": f"{SOURCE}, table of the {cell.upper()}",
        "unit": "z²",
        "form": forms.at_most(1, 0.5),
        "cells": (cell,),
        "needs": ("first_cosine",),
        "commands": (GRID.format(cell),),
    }
    key = f"stability.table.{key}"
    return Claim(key, FAMILY, statement=statement, **(entries | changes))


def _later(key: str, source: str, statement: str, **changes: Any) -> Claim:
    """LSTM against GRU."""
    entries: dict[str, Any] = {
        "measured": "steps within 1e-4, LSTM minus GRU, 16 units and more; for each "
        "seed the mean over shapes",
        "cells": ("lstm", "gru"),
        "commands": (SLOPES,),
        "form": forms.Direction(1, STEPS),
    }
    entries |= {"source": source, "statement": statement, "effect": advantage}
    return _difference(key, **(entries | changes))


def _difference(key: str, cells: tuple[str, ...], **entries: Any) -> Claim:
    """A difference of times within 1e-4."""
    needs, entries = ("first_1e-4",), {"unit": "steps"} | entries
    key = f"stability.{key}"
    return Claim(key, FAMILY, cells=cells, needs=needs, **entries)


CLAIMS: tuple[Claim, ...] = (
    *(_grows(cell, name) for cell in ("lstm", "gru") for name in DEFAULT_CRITERIA),
    _inputs("lstm", "LSTMs with more inputs remember less.", forms.Direction(-1, STEP)),
    _inputs("gru", "The memory of GRUs does not depend on inputs.", forms.none(STEP)),
    *(_identical(cell) for cell in ("lstm", "gru")),
    _later(
        "advantage",
        f"{SOURCE}, tables of LSTM and GRU",
        "LSTMs remember longer than GRUs.",
    ),
    _later(
        "advantage.equal_bias",
        "after Jozefowicz et al. 2015, on the bias of the forget gate",
        "LSTMs remember no longer than GRUs if the gates that keep the state have "
        "equal biases.",
        form=forms.none(STEPS),
        commands=(EQUAL,),
    ),
    *(
        _difference(
            f"layers.{cell}",
            (cell,),
            source=OURS,
            statement=f"{cell.upper()}s of two layers remember longer than of one.",
            measured="steps within 1e-4, two layers minus one, 16 inputs; for each "
            "seed the mean over units",
            form=forms.Direction(1, STEPS),
            commands=(DEPTHS,),
            effect=functools.partial(deeper, cell=cell),
        )
        for cell in ("lstm", "gru")
    ),
    *(
        _difference(
            f"trained.{cell}",
            (cell,),
            source=OURS,
            statement=f"Training on a memory task lengthens the memory of "
            f"{cell.upper()}s.",
            measured="log2 of 1 + steps within 1e-4, trained minus fresh, by seed; "
            "a time beyond the run counts as its end",
            unit="doublings",
            form=forms.Direction(1, 0.25),
            commands=TRAINING,
            effect=functools.partial(trained, cell=cell),
        )
        for cell in ("lstm", "gru")
    ),
    _table(
        "lstm.level",
        "The published steps of the LSTM come out again in the mean.",
        measured="first steps at cosine similarity 1, mean over all 64 shapes, minus "
        "the mean of the table; by seed",
        unit="steps",
        form=forms.none(STEPS),
        effect=table_level,
        published=Published(0.0, null=None),
    ),
    _table(
        "lstm.shapes",
        "The published steps of the LSTM come out again at every shape, within their "
        "sampling error.",
        measured="z² of a shape: squared difference over the sampling error of both, "
        "mean over 64 shapes, which count as independent",
        effect=table_shape,
        published=Published(1.0, null=None),
    ),
    _table(
        "gru",
        "The published steps of the GRU come out again.",
        measured="as for the LSTM",
        effect=None,
        caveat="The published table is not at hand, so nothing is compared.",
    ),
)
