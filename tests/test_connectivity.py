"""Connectivity against finite differences, and its summary against plain sums."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from conftest import flat

from rnnjax import networks
from rnnjax.autocomplete import connectivity, examples, model
from rnnjax.cells import registry
from rnnjax.text import windows

SOURCE = jnp.array([[1, 5, 9, 1, 3, 4, 0], [1, 2, 1, 7, 8, 9, 10]], jnp.uint8)
TARGET = jnp.array([[3, 3, 3, 5, 5, 5, 0], [2, 2, 6, 6, 6, 6, 6]])
UNITS = 4


def make(cell="gru", layers=1):
    stack = networks.build(registry.CELLS[cell], UNITS, layers)
    network = networks.Network(stack, embedding=(model.LETTERS, 5), outputs=9)
    return network, networks.initialize(network, jax.random.key(0))


CELLS = {"gru": 2, "lstm": 1, "nested_lstm": 1, "min_gru": 1}


def numpy_logits(cell, layers, variables, x, target):
    """Logits of the targets [T] for characters x [T, LETTERS], step by step."""
    p = flat(variables)
    names = [f"layers_{k}/" for k in range(layers)] if layers > 1 else [""]
    parameters = [
        {
            path.removeprefix(f"cell/{name}"): leaf
            for path, leaf in p.items()
            if path.startswith(f"cell/{name}")
        }
        for name in names
    ]
    oracle = oracles.get(cell)
    module = registry.CELLS[cell](hidden_size=UNITS)
    states = [[np.zeros(UNITS)] * module.carry_arrays for _ in names]
    logits = []
    for row, word in zip(x, target):
        y = row @ p["embed/embedding"]
        for k in range(layers):
            states[k], y = oracle.step(parameters[k], states[k], y)
        logits.append((y @ p["readout/kernel"] + p["readout/bias"])[word])
    return np.asarray(logits)


@pytest.mark.parametrize("cell, layers", CELLS.items())
def test_connectivity_is_the_norm_of_the_gradient_of_a_large_bias(x64, cell, layers):
    """By finite differences of a network in NumPy that reads vectors, not letters."""
    network, variables = make(cell, layers)

    def double(path, leaf):
        is_bias = "bias" in jax.tree_util.keystr(path)
        return leaf.astype(jnp.float64) + (2.0 if is_bias else 0.0)

    variables = jax.tree_util.tree_map_with_path(double, variables)
    source, target = np.array([1, 5, 9, 1, 0]), np.array([3, 3, 3, 5, 0])
    (c,) = connectivity.connectivity(network, variables, source[None], target[None])
    step, x = 1e-5, np.eye(28)[source][:, 1:]
    squares = np.zeros((5, 5))
    for s, letter in np.ndindex(5, model.LETTERS):
        change = np.zeros_like(x)
        change[s, letter] = step
        above, below = (
            numpy_logits(cell, layers, variables, x + sign * change, target)
            for sign in (1, -1)
        )
        squares[:, s] += ((above - below) / (2 * step)) ** 2
    expected = np.sqrt(squares) * (source > 0) * (source > 0)[:, None]
    np.testing.assert_allclose(c, expected, rtol=1e-5, atol=1e-9)
    assert np.all(np.triu(c, 1) == 0)
    assert c.max() > 1e-3


def test_predictions_are_the_most_likely_words():
    network, variables = make()
    classes, probabilities = examples.predictions(network, variables, SOURCE[1])
    y = model.hidden_outputs(network, variables, SOURCE[1:])[:, 0]
    p = np.asarray(jax.nn.softmax(network.apply(variables, y, method="read")))
    np.testing.assert_array_equal(classes, np.argsort(-p, axis=1)[:, :3])
    np.testing.assert_allclose(probabilities, -np.sort(-p, axis=1)[:, :3], rtol=1e-5)


def test_fraction_before_the_word_and_mean_lag_by_letters_typed():
    """Two windows "_ab_c", of which the second has no word at its last positions."""
    typed = np.array([[0, 1, 2, 0, 1]] * 2, np.uint8)
    weight = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], np.float32)
    batch = windows.Batch(np.ones((2, 5), np.uint8), np.full((2, 5), 2), weight, typed)
    c = np.tril(np.random.default_rng(0).uniform(size=(2, 5, 5)))
    row = connectivity.summarize(c, batch)
    starts = [0, 0, 0, 3, 3]
    fraction, lag = np.zeros((2, 5)), np.zeros((2, 5))
    for i in range(2):
        for t in range(5):
            total = sum(c[i, t, : t + 1])
            fraction[i, t] = sum(c[i, t, s] for s in range(starts[t])) / total
            lag[i, t] = sum((t - s) * c[i, t, s] for s in range(t + 1)) / total
    for name, value in (("context_fraction", fraction), ("context_lag", lag)):
        assert row[name] == pytest.approx(
            np.mean([value[0].mean(), value[1, :3].mean()])
        )
        by_letters = row[f"{name}_by_letters"]
        assert by_letters[0] == pytest.approx(
            np.mean([value[0, [0, 3]].mean(), value[1, 0]])
        )
        assert by_letters[2] == pytest.approx(value[:, 2].mean())
        assert by_letters[5] is None
        low, high = (row[f"{name}_{end}_by_letters"] for end in ("low", "high"))
        assert low[0] < by_letters[0] < high[0]
    assert row["connectivity_windows_by_letters"][:4] == [2, 2, 2, 0]
