"""Connectivity against finite differences, and its summary against plain sums."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import networks
from rnnjax.autocomplete import connectivity, examples, model
from rnnjax.cells import registry
from rnnjax.text import windows

SOURCE = jnp.array([[1, 5, 9, 1, 3, 4, 0], [1, 2, 1, 7, 8, 9, 10]], jnp.uint8)
TARGET = jnp.array([[3, 3, 3, 5, 5, 5, 0], [2, 2, 6, 6, 6, 6, 6]])


def make(cell="gru", layers=1):
    stack = networks.build(registry.CELLS[cell], 4, layers)
    network = networks.Network(stack, embedding=(model.LETTERS, 5), outputs=9)
    return network, networks.initialize(network, jax.random.key(0))


@pytest.mark.parametrize("cell, layers", [("gru", 2), ("lstm", 1), ("nested_lstm", 1)])
def test_connectivity_is_the_norm_of_a_gradient(x64, cell, layers):
    network, variables = make(cell, layers)
    variables = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), variables)
    c = connectivity.connectivity(network, variables, SOURCE, TARGET)
    kernel, bias = networks.readout(variables)

    @jax.jit
    def logits(x, target):
        y = model.hidden_outputs_of_one_hot(network, variables, x[:, None])[:, 0]
        return jnp.einsum("th,ht->t", y, kernel[:, target]) + bias[target]

    step = 1e-5
    for window in range(2):
        x = np.asarray(model.one_hot(SOURCE[window]), np.float64)
        squares = np.zeros((7, 7))
        for s in range(7):
            for letter in range(model.LETTERS):
                change = np.zeros_like(x)
                change[s, letter] = step
                above, below = (
                    logits(x + sign * change, TARGET[window]) for sign in (1, -1)
                )
                squares[:, s] += ((above - below) / (2 * step)) ** 2
        is_text = np.asarray(SOURCE[window] > 0)
        expected = np.sqrt(squares) * is_text * is_text[:, None]
        np.testing.assert_allclose(c[window], expected, atol=1e-8)
        assert np.all(np.triu(c[window], 1) == 0)
    assert c.max() > 0.01


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
