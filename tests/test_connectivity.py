"""Connectivity against finite differences, and its share and lag against sums written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import networks
from rnnjax.autocomplete import connectivity
from rnnjax.autocomplete import experiment as autocomplete
from rnnjax.cells import registry
from rnnjax.text import windows

SOURCE = jnp.array([[1, 5, 9, 1, 3, 4, 0], [1, 2, 1, 7, 8, 9, 10]], jnp.uint8)
TARGET = jnp.array([[3, 3, 3, 5, 5, 5, 0], [2, 2, 6, 6, 6, 6, 6]])


@pytest.mark.parametrize("cell, layers", [("gru", 2), ("lstm", 1), ("nested_lstm", 1)])
def test_connectivity_is_the_length_of_a_gradient(x64, cell, layers):
    stacked = networks.stack(lambda: registry.CELLS[cell](hidden_size=4), layers)
    network = networks.Network(stacked, embedding=(autocomplete.LETTERS, 5), outputs=9)
    variables = jax.tree.map(
        lambda leaf: leaf.astype(jnp.float64),
        networks.initialize(network, jax.random.key(0)),
    )
    found = connectivity.connectivity(network, variables, SOURCE, TARGET)
    kernel, bias = networks.readout(variables)

    @jax.jit
    def logits(shown, target):
        y = autocomplete.hidden_of(network, variables, shown[:, None])[:, 0]
        return jnp.einsum("th,ht->t", y, kernel[:, target]) + bias[target]

    for window in range(2):
        shown = np.asarray(
            jax.nn.one_hot(SOURCE[window].astype(int) - 1, autocomplete.LETTERS),
            np.float64,
        )
        squares = np.zeros((7, 7))
        for s in range(7):
            for letter in range(autocomplete.LETTERS):
                moved = np.zeros_like(shown)
                moved[s, letter] = 1e-5
                squares[:, s] += (
                    (
                        logits(shown + moved, TARGET[window])
                        - logits(shown - moved, TARGET[window])
                    )
                    / 2e-5
                ) ** 2
        real = np.asarray(SOURCE[window] > 0)
        expected = np.sqrt(squares) * real * real[:, None]
        np.testing.assert_allclose(found[window], expected, atol=1e-8)
        assert np.all(np.triu(found[window], 1) == 0)
    assert found.max() > 0.01


def test_guesses_are_the_likeliest_words():
    network = networks.Network(
        registry.CELLS["gru"](hidden_size=4),
        embedding=(autocomplete.LETTERS, 5),
        outputs=9,
    )
    variables = networks.initialize(network, jax.random.key(0))
    classes, probabilities = connectivity.guesses(network, variables, SOURCE[1])
    y = autocomplete.hidden(network, variables, SOURCE[1:])[:, 0]
    p = np.asarray(jax.nn.softmax(network.apply(variables, y, method="read")))
    np.testing.assert_array_equal(classes, np.argsort(-p, axis=1)[:, :3])
    np.testing.assert_allclose(probabilities, -np.sort(-p, axis=1)[:, :3], rtol=1e-5)


def test_share_and_lag_by_letters_typed():
    """Two windows "_ab_c": what lies before the current word counts as its share, and the mean distance as its lag."""
    typed = np.array([[0, 1, 2, 0, 1]] * 2, np.uint8)
    weight = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], np.float32)
    batch = windows.Batch(np.ones((2, 5), np.uint8), np.full((2, 5), 2), weight, typed)
    c = np.tril(np.random.default_rng(0).uniform(size=(2, 5, 5)))
    found = connectivity.scalars(c, batch)
    starts = [0, 0, 0, 3, 3]
    share, lag = np.zeros((2, 5)), np.zeros((2, 5))
    for i in range(2):
        for t in range(5):
            share[i, t] = sum(c[i, t, s] for s in range(starts[t])) / sum(
                c[i, t, : t + 1]
            )
            lag[i, t] = sum((t - s) * c[i, t, s] for s in range(t + 1)) / sum(
                c[i, t, : t + 1]
            )
    for name, value in (("share", share), ("lag", lag)):
        assert found[name] == pytest.approx(
            np.mean([value[0].mean(), value[1, :3].mean()])
        )
        assert found[f"{name}_by_letters"][0] == pytest.approx(
            np.mean([value[0, [0, 3]].mean(), value[1, 0]])
        )
        assert found[f"{name}_by_letters"][2] == pytest.approx(value[:, 2].mean())
        assert found[f"{name}_by_letters"][5] is None
        assert found[f"{name}_windows_by_letters"][:3] == [2, 2, 2]
        assert (
            found[f"{name}_low_by_letters"][0]
            < found[f"{name}_by_letters"][0]
            < found[f"{name}_high_by_letters"][0]
        )
