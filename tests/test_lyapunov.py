"""The estimate from growths that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.engine import unroll, unroll_together
from rnnjax.memory_stability import lyapunov

INTERVALS = (lyapunov.BURN_IN + lyapunov.STEPS) // lyapunov.EVERY


def test_linear_map_has_the_logarithm_of_its_largest_eigenvalue():
    matrix = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0] @ np.diag(
        [0.9, 0.5, 0.3, 0.1]
    )
    matrix = np.diag([0.9, 0.5, 0.3, 0.1]) + np.triu(0.1 * matrix, 1)

    def step(carry, z):
        return (carry[0] @ jnp.asarray(matrix, jnp.float32) + z,), carry[0]

    z = jnp.zeros((INTERVALS * lyapunov.EVERY, 4))
    growth = jax.jit(
        lambda z: unroll.unroll_tangent(
            step, (jnp.zeros(4),), (jnp.ones(4),), z, lyapunov.EVERY
        )[2]
    )(z)
    exponent, error, status = lyapunov.estimate(growth)
    assert status == "ok"
    assert exponent == pytest.approx(np.log(0.9), abs=1e-5)
    assert error < 1e-5


def test_mean_and_error_of_independent_growths():
    generator = np.random.default_rng(1)
    estimates = []
    for _ in range(200):
        growth = lyapunov.EVERY * -0.3 + generator.normal(size=INTERVALS)
        growth[: lyapunov.BURN_IN // lyapunov.EVERY] = 1e3  # the burn-in is left out
        estimates.append(lyapunov.estimate(growth)[:2])
    means, errors = np.transpose(estimates)
    expected = 1 / np.sqrt(lyapunov.STEPS // lyapunov.EVERY) / lyapunov.EVERY
    assert means.mean() == pytest.approx(-0.3, abs=4 * expected / np.sqrt(200))
    assert means.std() == pytest.approx(expected, rel=0.2)
    assert errors.mean() == pytest.approx(expected, rel=0.2)


def test_dead_and_short_are_named():
    growth = np.full(INTERVALS, -1.0)
    growth[100] = -np.inf
    assert lyapunov.estimate(growth) == (None, None, "dead")
    assert lyapunov.estimate(np.full(30, -1.0))[2] == "short"
    assert lyapunov.estimate(np.full(INTERVALS, np.nan))[2] == "short"


@pytest.mark.parametrize("loops", [unroll, unroll_together], ids=["alone", "together"])
@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-4), ("bfloat16", 2e-2)])
def test_spectrum_of_a_linear_map_is_that_of_its_eigenvalues(dtype, error, loops):
    matrix = np.diag([0.9, 0.5, 0.3, 0.1]) + np.triu(
        0.1 * np.random.default_rng(0).normal(size=(4, 4)), 1
    )

    def step(carry, z):
        return (carry[0] @ jnp.asarray(matrix, dtype) + z,), carry[0]

    z = jnp.zeros((2000, 4), dtype)
    frame, growth = jax.jit(
        lambda z: loops.unroll_frame(
            step, (jnp.zeros(4, dtype),), jnp.eye(4), z, lyapunov.EVERY_QR
        )
    )(z)
    np.testing.assert_allclose(frame @ frame.T, np.eye(4), atol=1e-5)
    exponents, dead = lyapunov.spectrum(growth, 2.0**-23)
    np.testing.assert_allclose(exponents, np.log([0.9, 0.5, 0.3, 0.1]), atol=error)
    assert dead == 0


def test_directions_lost_in_rounding_are_dead():
    growth = np.tile([-0.2, -0.6, -40.0, -0.4], (INTERVALS * 5, 1))
    growth[700, 3] = -np.inf
    exponents, dead = lyapunov.spectrum(growth, 2.0**-23)
    np.testing.assert_allclose(exponents, [-0.1, -0.3])
    assert dead == 2


def test_predicted_time_is_where_the_exponential_meets_the_tolerance():
    assert lyapunov.predicted_time(-0.5, np.exp(3), 1.0) == pytest.approx(6)
    assert lyapunov.predicted_time(-0.5, 0.1, 1.0) == 0
    assert lyapunov.predicted_time(0.1, 1.0, 0.1) is None
    assert lyapunov.predicted_time(None, 1.0, 0.1) is None
    assert lyapunov.predicted_time(-0.5, 0.0, 0.1) is None
