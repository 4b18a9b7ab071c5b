"""The trials of an optimizer: values of all its hyperparameters.

Trial 0 has the defaults. The others are, with `search`

    rates    learning rates evenly spaced over their range (in logarithms), everything
             else at its default. The default rate is not tried again, and an optimizer
             without a range of rates has trial 0 alone.
    random   all numbers drawn from their ranges, for each seed anew. Trial k of a
             seed draws the same fractions of the ranges for every optimizer.

So a seed with random trials is one repetition of a whole tuning.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.engine.hessian_free import HYPERPARAMETERS
from rnnjax.engine.optimizers import OPTIMIZERS, Hyperparameter
from rnnjax.optimization.schema import DEFAULT, RANDOM
from rnnjax.results.rows import rounded
from rnnjax.training.method import HESSIAN_FREE

ROOT = 20201113  # of the random trials
RATE = "learning_rate"

Values = dict[str, float]


def numbers(optimizer: str) -> dict[str, Hyperparameter]:
    """All numbers of an optimizer by name, the learning rate first if it has one."""
    if optimizer == HESSIAN_FREE:
        return dict(HYPERPARAMETERS)
    entry = OPTIMIZERS[optimizer]
    return {RATE: entry.learning_rate, **entry.hyperparameters}


class Trial(NamedTuple):
    """Its number, its values, and whether it is among those that were searched."""

    number: int
    values: Values
    searched: bool


def trials(
    optimizer: str,
    search: str,
    count: int,
    seed: int,
    rates: Sequence[float] | None = None,
) -> list[Trial]:
    """The trials of a seed: the defaults, and `count` that are searched.

    With `rates`, the learning rates are these, in place of `count` ones.

    For example the rates of Adam, whose range is 1e-5 to 1e-1 and whose default is the
    third of them:

        >>> found = trials("adam", "rates", 5, seed=0)
        >>> [(one.number, one.values["learning_rate"]) for one in found]
        [(0, 0.001), (1, 1e-05), (2, 0.0001), (4, 0.01), (5, 0.1)]
    """
    known = numbers(optimizer)
    default = {name: number.default for name, number in known.items()}
    rate = known.get(RATE)
    if search == RANDOM:
        searched = [_drawn(known, k, seed) for k in range(1, count + 1)]
    elif rate is None or rate.range.low == rate.range.high:
        searched = [default] * bool(count or rates)
    else:
        chosen = rates or _evenly(rate, count)
        searched = [default | {RATE: rounded(float(rate))} for rate in chosen]
    found = [Trial(k, values, True) for k, values in enumerate(searched, start=1)]
    others = [one for one in found if one.values != default]
    # The defaults count as searched if one of the trials equals them, or there is none.
    return [Trial(DEFAULT, default, not found or len(others) < len(found)), *others]


def _evenly(rate: Hyperparameter, count: int) -> list[float]:
    """Learning rates evenly over their range; the middle if there is one."""
    if count == 1:
        return [rate.at(0.5)]
    return [rate.at(k / (count - 1)) for k in range(count)]


def _drawn(known: Mapping[str, Hyperparameter], k: int, seed: int) -> Values:
    fractions = np.random.default_rng((ROOT, seed, k)).uniform(size=len(known))
    return {
        name: rounded(number.at(float(fraction)))
        for (name, number), fraction in zip(known.items(), fractions)
    }
