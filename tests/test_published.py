"""Our numbers against published ones."""

import numpy as np
import published
import pytest

from rnnjax.cells import registry
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.memory_stability import experiment as stability

QUICK = (0, 6, 10)  # exponents that are not slow: every cell, few and many units


@pytest.mark.parametrize(
    "cell, init, keep_bias, input_size, units, mean, sd",
    [
        pytest.param(*case, marks=[pytest.mark.slow] * (k not in QUICK))
        for k, case in enumerate(published.EXPONENTS)
    ],
)
def test_largest_lyapunov_exponent(cell, init, keep_bias, input_size, units, mean, sd):
    module = registry.CELLS[cell](hidden_size=units, recurrent_init=INITIALIZERS[init])
    options = {} if keep_bias is None else {"keep_bias": keep_bias}
    rows = stability.measure(
        module,
        input_size,
        steps=5200,
        options=options,
        criteria=("1e-4",),
        seeds=6,
    )
    exponents = [row["lyapunov"] for row in rows]
    assert np.mean(exponents) == pytest.approx(mean, abs=2 * sd)


def compare(means, variances):
    """Mean difference, and mean z^2 under the sampling error of both sides; variances
    pooled over neighboring shapes.
    """
    pooled = np.array(
        [
            [
                np.mean(
                    variances[
                        max(i - 1, 0) : i + 2,
                        (max(j - 1, 1) if j else 0) : (j + 2 if j else 1),
                    ]
                )
                for j in range(8)
            ]
            for i in range(8)
        ]
    )
    difference = means - published.LSTM_STEPS
    return difference.mean(), (
        difference**2 / (pooled * (1 / published.LSTM_RUNS + 1 / 10))
    ).mean()


@pytest.mark.slow
def test_the_lstm_table_is_met_within_its_sampling_error():
    first = np.empty((8, 8, 10))
    for j, units in enumerate(published.SIZES):
        cell = registry.CELLS["lstm"](hidden_size=units)
        for i, input_size in enumerate(published.SIZES):
            first[i, j] = [
                row["first_cosine"]
                for row in stability.measure(cell, input_size, steps=3000)
            ]
    difference, z2 = compare(first.mean(axis=2), first.var(axis=2, ddof=1))
    assert abs(difference) <= 1
    assert z2 <= 1.5
