"""Loops over time against plain Python loops and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.engine import unroll, unroll_together

H, T = 4, 12
FORMS = pytest.mark.parametrize(
    "loops", [unroll, unroll_together], ids=["alone", "together"]
)
WEIGHTS = jax.random.normal(jax.random.key(0), (H, H)) / 2


def step(carry, z):
    (h,) = carry
    h = jnp.tanh(h @ WEIGHTS + z)
    return (h,), 2 * h


def rows(key, n=T):
    return jax.random.normal(jax.random.key(key), (n, H))


def loop(h, z):
    outputs = []
    for row in z:
        (h,), y = step((h,), row)
        outputs.append(y)
    return h, outputs


@FORMS
def test_pair_on_the_same_rows(loops):
    z, a, b = rows(1), rows(2, 1)[0], rows(3, 1)[0]
    (last_a,), (last_b,), ya, yb = loops.unroll_pair(step, (a,), (b,), z, 0, T)
    for start, last, ys in ((a, last_a, ya), (b, last_b, yb)):
        expected, outputs = loop(start, z)
        np.testing.assert_allclose(last, expected, rtol=1e-5)
        np.testing.assert_allclose(ys, outputs, rtol=1e-5)


@FORMS
def test_pair_on_two_halves_stops_at_length(loops):
    z, start = rows(1), rows(2, 1)[0]
    offset, length = T // 2, T // 2 - 1
    (last_a,), (last_b,), ya, yb = jax.jit(loops.unroll_pair, static_argnums=0)(
        step, (start,), (start,), z, offset, length
    )
    expected_a, outputs_a = loop(start, z[:length])
    expected_b, outputs_b = loop(start, z[offset : offset + length])
    np.testing.assert_allclose(last_a, expected_a, rtol=1e-5)
    np.testing.assert_allclose(last_b, expected_b, rtol=1e-5)
    np.testing.assert_allclose(ya[:length], outputs_a, rtol=1e-5)
    np.testing.assert_allclose(yb[:length], outputs_b, rtol=1e-5)
    assert not ya[length:].any() and not yb[length:].any()


@FORMS
def test_pair_treats_both_sequences_alike(loops):
    z, start = rows(1), rows(2, 1)[0]
    (last_a,), (last_b,), ya, yb = jax.jit(loops.unroll_pair, static_argnums=0)(
        step, (start,), (start,), z, 0, T
    )
    np.testing.assert_array_equal(last_a, last_b)
    np.testing.assert_array_equal(ya, yb)


@FORMS
def test_tangent_grows_as_a_small_difference_does(x64, loops):
    every, epsilon = 3, 1e-6
    z, h = rows(1).astype(np.float64), rows(2, 1)[0].astype(np.float64)
    v = np.asarray(rows(3, 1)[0], np.float64)
    carry, tangent, growth = loops.unroll_tangent(
        step, (h,), (jnp.asarray(v),), z, every
    )
    for k in range(T // every):
        block = z[k * every : (k + 1) * every]
        plus, minus = loop(h + epsilon * v, block)[0], loop(h - epsilon * v, block)[0]
        difference = np.asarray(plus - minus) / (2 * epsilon)
        np.testing.assert_allclose(
            growth[k], np.log(np.linalg.norm(difference)), atol=1e-5
        )
        v, h = difference / np.linalg.norm(difference), loop(h, block)[0]
    np.testing.assert_allclose(carry[0], h, rtol=1e-10)
    np.testing.assert_allclose(tangent[0], v, atol=1e-5)


@FORMS
def test_a_dead_tangent_stays_dead(loops):
    def forget(carry, z):
        return (jnp.zeros(H),), carry[0] + z

    _, tangent, growth = loops.unroll_tangent(
        forget, (jnp.ones(H),), (jnp.ones(H),), rows(1), 3
    )
    assert np.isneginf(growth).all() and not np.any(tangent[0])


BATCH, LONG = 5, 3 * unroll.MAX_WRITTEN_OUT


def test_from_a_state_that_the_batch_shares():
    start = (rows(2, 1)[0],)
    for n in (1, 3, LONG):
        z = jax.random.normal(jax.random.key(n), (n, BATCH, H))
        shared = unroll.from_start(step, start, z)
        each = unroll.unroll(step, (jnp.broadcast_to(start[0], (BATCH, H)),), z)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
            shared,
            each,
        )


@pytest.mark.parametrize("steps", [3, LONG])
def test_repeat_differentiates_what_is_repeated(steps):
    start, z = (jnp.ones((BATCH, H)),), jax.random.normal(jax.random.key(3), (BATCH, H))

    def scan(z):
        return jax.lax.scan(lambda carry, _: step(carry, z), start, length=steps)

    def gradient(run):
        return jax.grad(lambda z: jnp.sum(jnp.sin(run(z)[1])))(z)

    actual = gradient(lambda z: unroll.repeat(step, start, z, steps))
    np.testing.assert_allclose(actual, gradient(scan), rtol=1e-4, atol=1e-5)
