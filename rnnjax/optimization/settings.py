"""The settings that an optimizer is tried at: values of all its numbers.

Setting 0 is the defaults. The others are, with `search`

    rates    learning rates evenly spaced over their range (in logarithms), everything
             else at its default. The default rate is not tried again, and an optimizer
             without a range of rates has setting 0 alone.
    random   all numbers drawn from their ranges, for each seed anew. The k-th setting
             of a seed draws the same fractions of the ranges for every optimizer.

So a seed with random settings is one repetition of a whole tuning.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rnnjax.engine.hessian_free import HYPERPARAMETERS
from rnnjax.engine.optimizers import OPTIMIZERS, Hyperparameter
from rnnjax.optimization.schema import DEFAULT, RATES
from rnnjax.results.rows import rounded
from rnnjax.training.method import HESSIAN_FREE

ROOT = 20201113  # of the random settings
RATE = "learning_rate"

Values = dict[str, float]


def numbers(optimizer: str) -> dict[str, Hyperparameter]:
    """All numbers of an optimizer by name, the learning rate first if it has one."""
    if optimizer == HESSIAN_FREE:
        return dict(HYPERPARAMETERS)
    entry = OPTIMIZERS[optimizer]
    return {RATE: entry.learning_rate, **entry.hyperparameters}


class Setting(NamedTuple):
    """Its number, its values, and whether it is among those that were searched."""

    number: int
    values: Values
    searched: bool


def settings(optimizer: str, search: str, count: int, seed: int) -> list[Setting]:
    """The settings of a seed: the defaults, and `count` that are searched.

    For example the rates of Adam, whose range is 1e-5 to 1e-1 and whose default is the
    third of them:

        >>> found = settings("adam", "rates", 5, seed=0)
        >>> [(one.number, one.values["learning_rate"]) for one in found]
        [(0, 0.001), (1, 1e-05), (2, 0.0001), (4, 0.01), (5, 0.1)]
    """
    known = numbers(optimizer)
    default = {name: number.default for name, number in known.items()}
    found = []
    for k in range(1, count + 1):
        if search == RATES:
            values = _rate(known, default, k, count)
        else:
            values = _drawn(known, k, seed)
        found.append(Setting(k, values, searched=True))
    others = [one for one in found if one.values != default]
    return [Setting(DEFAULT, default, len(others) < len(found)), *others]


def _rate(
    known: Mapping[str, Hyperparameter], default: Values, k: int, count: int
) -> Values:
    """The defaults with the k-th of `count` learning rates."""
    if RATE not in known:
        return default
    fraction = (k - 1) / (count - 1) if count > 1 else 0.5
    return default | {RATE: rounded(known[RATE].at(fraction))}


def _drawn(known: Mapping[str, Hyperparameter], k: int, seed: int) -> Values:
    fractions = np.random.default_rng((ROOT, seed, k)).uniform(size=len(known))
    return {
        name: rounded(number.at(float(fraction)))
        for (name, number), fraction in zip(known.items(), fractions)
    }
