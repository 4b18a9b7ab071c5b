"""Processing capacity: the functions, and states that are functions of known inputs."""

import math

import numpy as np
import pytest
from scipy import special

from rnnjax.short_term_memory import processing
from rnnjax.short_term_memory.readout import Kept

RANDOM = np.random.default_rng(1)


@pytest.mark.parametrize("name", processing.POLYNOMIALS)
def test_polynomials_are_orthonormal(name):
    polynomial = processing.POLYNOMIALS[name]
    nodes, weights = {
        "uniform": special.roots_legendre,
        "normal": special.roots_hermitenorm,
    }[name](20)
    values = np.stack([polynomial(n, nodes) for n in range(9)])
    np.testing.assert_allclose(
        values * (weights / weights.sum()) @ values.T, np.eye(9), atol=1e-12
    )


def test_every_function_is_tried_once():
    for degree, delay in [(1, 0), (3, 4), (4, 2), (5, 0)]:
        found = [
            function
            for n in range(1, degree + 1)
            for k in range(delay + 1)
            for function in processing.functions(n, k)
        ]
        assert len(set(found)) == len(found) == processing.count(degree, delay)
        for function in found:
            delays = [k for k, _ in function]
            assert sorted(set(delays)) == delays and max(delays) <= delay
    assert processing.count(2, 1) == 5  # a, b, a^2, a b, b^2
    assert processing.count(20, 100) == math.comb(121, 20) - 1


def measured(columns, u, distribution, **given):
    x = np.stack(columns, axis=1)
    options = {"washout": 20, "steps": 3000, "degree": 5, "delay": 8, "ridge": 0.0}
    row = processing.measure(
        Kept(u[:, None], x, x), 0, distribution=distribution, **(options | given)
    )
    return row["processing"], row["degrees"], row["largest_delay"], row["functions"]


def test_states_that_are_known_functions_have_their_capacity():
    """u(t), u(t - 1) u(t - 2), and u^3: of degree 1, of 2, and of 3 and 1 in parts."""
    u = RANDOM.uniform(-1, 1, 5000)

    def at(delay):
        return np.concatenate([np.zeros(delay), u[: len(u) - delay]])

    total, degrees, delay, functions = measured(
        [at(0), at(1) * at(2), at(1) ** 3], u, "uniform"
    )
    assert (delay, functions) == (2, 4)
    assert total == pytest.approx(3, abs=0.02)
    # u^3 = 2/5 P_3 + 3/5 P_1: of its variance 1/7 the parts 4/175 and 3/25.
    np.testing.assert_allclose(degrees[:3], [1.84, 1, 0.16], atol=0.03)
    assert degrees[3:] == [0, 0]


def test_normal_inputs_have_functions_of_their_own():
    u = RANDOM.normal(size=5000)
    total, degrees, _, _ = measured([u**2, u**3 - 3 * u], u, "normal", degree=3)
    assert total == pytest.approx(2, abs=0.1)
    np.testing.assert_allclose(degrees, [0, 1, 1], atol=0.1)


def test_a_network_that_forgets_processes_as_much_as_it_has_units():
    """A small tanh network; without old inputs or high degrees nothing is missing."""
    u, n = RANDOM.uniform(-1, 1, 45_000), 4
    recurrent = 0.5 * np.linalg.qr(RANDOM.normal(size=(n, n)))[0]
    weights, h, x = RANDOM.uniform(-1, 1, n), np.zeros(n), []
    for value in u:
        h = np.tanh(recurrent @ h + 0.4 * weights * value + 0.3 * weights)
        x.append(h)
    total, degrees, _, _ = measured(list(np.asarray(x).T), u, "uniform", steps=30_000)
    assert 0.98 * n < total < n + 0.02
    assert degrees[0] < 0.95 * n


def test_noise_processes_nothing():
    u = RANDOM.uniform(-1, 1, 5000)
    noise = list(RANDOM.normal(size=(5, 5000)))
    assert measured(noise, u, "uniform", degree=3)[0] == 0
