"""Weights, states and inputs for tests of cells."""

import functools

import jax
import jax.numpy as jnp
import pytest

from rnnjax.cells import cell as cell_lib
from rnnjax.cells import registry

I, H, T = 3, 5, 7

# All cells, for tests that take seconds for each. The LSTMs without one of their parts
# are one class with other attributes, of which one is enough where time is short.
ALIKE = [
    *("lstm_nig", "lstm_nfg", "lstm_nog", "lstm_niaf", "lstm_noaf"),
    *("lstm_np", "lstm_cifg", "lstm_fgr"),
]
# These differ from another cell in an activation, an initializer, or a term.
SIBLINGS = [
    *("rnn_relu", "irnn", "np_rnn", "gru_flax", "mgu_flax"),
    *("lstm_peephole", "min_lstm"),
    *("antisymmetric_rnn",),
]
# What these compute is made of parts that other cells have.
COMPOSED = [
    *("indrnn", "janet", "cornn", "brc", "nbrc", "star", "ran"),
    *("lem", "rnn_linear", "cycle"),
]


def cells(slow):
    """All cells, of which some are for slow tests."""
    return [
        pytest.param(name, marks=pytest.mark.slow) if name in slow else name
        for name in registry.CELLS
    ]


CELLS = cells([*ALIKE, *COMPOSED])
KINDS = cells([*ALIKE, *COMPOSED, *SIBLINGS, "delay_line"])


def perturbed(cell, key=0):
    """Variables with noise on every number, so that biases do not stay at 0."""
    variables = cell_lib.initialize(cell, jax.random.key(key), I)
    leaves, tree = jax.tree.flatten(variables)
    keys = jax.random.split(jax.random.key(key + 1), len(leaves))
    return tree.unflatten(
        [x + 0.5 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)]
    )


def random_carry(cell, key=7):
    """A state that the cell reaches after three random inputs: no number in it is 0."""
    variables = perturbed(cell, key)
    carry = cell.initial_carry()
    for x in jax.random.normal(jax.random.key(key), (3, I)):
        carry, _ = cell.apply(variables, carry, x)
    return carry


def inputs():
    return jax.random.normal(jax.random.key(3), (T, I))


def bound(cell, variables):
    """The cell's `step(carry, z)` with these variables."""
    return functools.partial(cell.apply, variables, method="step")


def cast(tree, dtype):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)
