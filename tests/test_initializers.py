"""Initializers: what "fused" and "per gate" mean, and the sizes of the draws."""

import jax
import numpy as np
import pytest

from rnnjax.cells.initializers import INITIALIZERS

ROWS, GATES, SIZE = 48, 4, 48


def draw(name, rows=ROWS, gates=GATES, size=SIZE):
    return np.asarray(
        INITIALIZERS[name](jax.random.key(1), rows, gates, size), np.float64
    )


@pytest.mark.parametrize("name", INITIALIZERS)
def test_shape_and_determinism(name):
    w = draw(name, 3, 2, 5)
    assert w.shape == (3, 10)
    np.testing.assert_array_equal(w, draw(name, 3, 2, 5))


def test_fused_orthogonal_rows_are_orthonormal_over_all_gates():
    w = draw("orthogonal")
    np.testing.assert_allclose(w @ w.T, np.eye(ROWS), atol=1e-5)


def test_per_gate_blocks_are_orthogonal_each_and_differ():
    gates = np.split(draw("orthogonal_per_gate"), GATES, axis=1)
    for block in gates:
        np.testing.assert_allclose(block @ block.T, np.eye(ROWS), atol=1e-5)
    assert np.abs(gates[0] - gates[1]).max() > 0.1


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / (ROWS + GATES * SIZE)),
        ("glorot_uniform_per_gate", 2 / (ROWS + SIZE)),
        ("glorot_normal", 2 / (ROWS + GATES * SIZE)),
        ("uniform", 1 / (3 * ROWS)),
        ("he_normal", 2 / ROWS),
        ("lecun_normal", 1 / ROWS),
        ("small_normal", 1e-6),
    ],
)
def test_variance(name, variance):
    w = draw(name)
    assert np.var(w) == pytest.approx(variance, rel=0.06)
    if "uniform" in name:
        assert np.abs(w).max() <= np.sqrt(3 * variance) * 1.0001


def test_identity_is_one_for_every_gate():
    one = np.tile(np.eye(ROWS), GATES)
    np.testing.assert_array_equal(draw("identity"), one)
    np.testing.assert_allclose(draw("scaled_identity"), 0.01 * one, rtol=1e-6)
