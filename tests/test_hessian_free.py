"""Hessian-free optimization: products, conjugate gradients, damping, guards."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax.engine import hessian_free, mesh, unroll, updates, weight_gradient

pytestmark = pytest.mark.usefixtures("quick_compilation")
STEPS = 14  # of a sequence: more than are written out
BATCH = 5


def recurrent(dtype=np.float32):
    """Parameters of a small network, a function of them, a loss of it, and labels."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(STEPS, BATCH, 2)).astype(dtype)
    labels = (x[0, :, 0] > x[1, :, 0]).astype(np.int32)

    def outputs(flat):
        w, u, read = flat[:6], flat[6:15], flat[15:]
        w, u, read = w.reshape(2, 3), u.reshape(3, 3), read.reshape(3, 2)

        def step(h, z):
            h = jnp.tanh(h @ u + z)
            return h, h

        h, y = unroll.unroll(step, jnp.zeros((BATCH, 3), dtype), x @ w)
        return h @ read, y

    def loss(answers):
        entropies = optax.softmax_cross_entropy_with_integer_labels(answers, labels)
        return jnp.mean(entropies)

    return jnp.asarray(rng.normal(size=21) / 2, dtype), outputs, loss, labels


def test_products_are_those_of_the_explicit_matrices(x64):
    """The Jacobians are in forward mode, the Hessian that of the cross-entropy."""
    params, outputs, loss, labels = recurrent(np.float64)

    @jax.jit
    def products(params, vector):
        model = hessian_free.gauss_newton(params, outputs, loss)
        return model.gradient, model.product(vector), model.structural(vector)

    vector = np.random.default_rng(1).normal(size=params.shape)
    with weight_gradient.linearizable():
        both = jax.jit(lambda v: (outputs(v)[0], jax.jacfwd(outputs)(v)))
        answers, (j, k) = both(params)
    j, k = np.reshape(j, (2 * BATCH, -1)), np.reshape(k, (3 * STEPS * BATCH, -1))
    p = np.exp(answers)
    p /= p.sum(axis=1, keepdims=True)
    h = np.zeros((BATCH, 2, BATCH, 2))
    for n, row in enumerate(p):
        h[n, :, n] = (np.diag(row) - np.outer(row, row)) / BATCH
    h = h.reshape(2 * BATCH, -1)
    expected = (
        j.T @ (p - np.eye(2)[labels]).ravel() / BATCH,
        j.T @ h @ j @ vector,
        k.T @ k @ vector / (STEPS * BATCH),
    )
    for ours, theirs in zip(products(params, vector), expected, strict=True):
        assert np.linalg.norm(theirs) > 1e-3
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("together", [False, True])
def test_conjugate_gradients_take_as_many_steps_as_theory_says(x64, together):
    """Exact after as many as there are eigenvalues; bounded by their ratio before."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    b = rng.normal(size=40)

    @jax.jit
    def solve(matrix, most, tolerance):
        return hessian_free.conjugate_gradients(
            lambda v: matrix @ v, b, jnp.zeros(40), most, tolerance
        )

    with mesh.traced(together):
        few = basis * np.repeat([1.0, 3.0, 10.0, 30.0, 100.0], 8) @ basis.T
        x, products = solve(few, 30, 1e-8)
        np.testing.assert_allclose(x, np.linalg.solve(few, b), rtol=1e-6, atol=1e-8)
        assert products == 5 + 1

        many = basis * np.linspace(1, 100, 40) @ basis.T
        exact = np.linalg.solve(many, b)
        for most in (4, 12):
            x, products = solve(many, most, 0.0)
            assert products == most + 1
            energy = np.sqrt((x - exact) @ many @ (x - exact) / (exact @ b))
            assert 1e-6 < energy <= 2 * (9 / 11) ** most
        theirs, _ = jax.scipy.sparse.linalg.cg(many, b, tol=0.0, maxiter=most)
        np.testing.assert_allclose(x, theirs, rtol=1e-8)


class Loss(NamedTuple):
    """sum(scales (v - 1)^2) / 2 + cosh sum(log cosh v), and NaN beyond a wall."""

    scales: Any = (0.0, 0.0, 0.0)
    cosh: float = 0.0
    wall: float = np.inf
    hidden: float = 0.0  # hidden units over v
    structural: float = 0.0


@jax.jit
def step(state, loss, tolerance):
    def value(v):
        squares = jnp.sum(jnp.asarray(loss.scales) * (v - 1) ** 2) / 2
        total = squares + loss.cosh * jnp.sum(jnp.logaddexp(v, -v))
        return jnp.where(jnp.any(v > loss.wall), jnp.nan, total)

    return hessian_free.step(
        state,
        7,
        lambda v: (v, loss.hidden * v),
        value,
        iterations=10,
        tolerance=tolerance,
        structural=loss.structural,
    )[0]


def init(x=0.0, damping=1e-2):
    return hessian_free.init(jnp.full(3, x, jnp.float32), damping)


def test_the_damping_follows_the_ratio_of_the_changes():
    """log cosh: its curvature falls beyond 0, so that a long step fails."""
    ratios = np.float32([-1.0, 0.2, np.nan, 0.25, 0.5, 0.9])
    expected = [3.0, 3.0, 3.0, 2.0, 2.0, 4 / 3]
    np.testing.assert_allclose(hessian_free.next_damping(2.0, ratios), expected)
    assert hessian_free.next_damping(1e10, ratios).max() == np.float32(1e10)

    def newton(x, damping):
        g, h = np.tanh(x), 1 / np.cosh(x) ** 2
        d = -g / (h + damping)
        change = np.log(np.cosh(x + d)) - np.log(np.cosh(x))
        return d, change / (g * d + h * d**2 / 2)

    seen = set()
    for x, damping in ((2.0, 1e-3), (1.0, 1e-3), (0.3, 1e-2), (1.0, 0.05)):
        after = step(init(x, damping), Loss(cosh=1.0), 1e-6)
        change, ratio = newton(x, damping)
        factor = 1.5 if ratio < 0.25 else 1 / 1.5 if ratio > 0.75 else 1.0
        assert after.damping == pytest.approx(damping * factor)
        change *= ratio > 0
        np.testing.assert_allclose(after.params, x + change, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(after.change, change, rtol=1e-4)
        assert after.updates == (ratio > 0) and after.diverged < 0
        seen.add((factor, bool(ratio > 0)))
    assert {factor for factor, _ in seen} == {1.5, 1 / 1.5, 1.0}
    assert {accepted for _, accepted in seen} == {True, False}


def test_an_ill_conditioned_quadratic_is_solved_from_where_the_last_step_went():
    """Three eigenvalues, so three products a step; the damping falls each time."""
    loss = Loss(scales=(0.1, 1.0, 10.0))
    first = state = step(init(), loss, 1e-4)
    assert first.evaluations == 1 + (1 + 3) + 1 + 1
    for k in range(1, 6):
        assert state.damping == pytest.approx(1e-2 / 1.5**k)
        assert state.updates == k
        state = step(state, loss, 1e-4)
    np.testing.assert_allclose(state.params, 1, atol=1e-4)
    known = init()._replace(change=first.change / hessian_free.KEPT)
    again = step(known, loss, 1e-4)
    assert again.evaluations == 1 + 1 + 1 + 1
    np.testing.assert_allclose(again.params, first.params, rtol=1e-6)


def test_structural_damping_is_added_to_the_damping():
    """Hidden units 3 v: the matrix is 1 + damping (1 + structural 3^2)."""
    loss = Loss(scales=(1.0, 1.0, 1.0), hidden=3.0, structural=2.0)
    after = step(init(damping=0.5), loss, 1e-6)
    np.testing.assert_allclose(after.params, 1 / (1 + 0.5 * (1 + 2 * 9)), rtol=1e-6)


def test_a_step_to_a_loss_that_is_not_finite_is_rejected():
    after = step(init(damping=0.1), Loss(scales=(1.0, 1.0, 1.0), wall=0.5), 1e-6)
    assert after.diverged < 0 and after.updates == 0
    assert np.all(after.params == 0) and after.damping == pytest.approx(0.15)
    assert np.all(after.change == 0)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_parameters_stay_from_the_diverged_step_on(together, bad):
    """Step 1 of 4 is not finite; the ones after it would be again."""

    @jax.jit
    def train(live):
        def body(k, state):
            def loss(v):
                return jnp.sum((v - 1) ** 2) + jnp.where(k == 1, bad, 0.0)

            return hessian_free.step(
                state, k, lambda v: (v, None), loss, iterations=2, live=live
            )[0]

        return jax.lax.fori_loop(0, 4, body, hessian_free.init(jnp.zeros(2)))

    with mesh.traced(together):
        state, still = train(True), train(False)
    assert state.diverged == 1 and state.updates == 1
    assert state.evaluations == 1 + (1 + 1) + 1 + 1
    np.testing.assert_allclose(state.params, 2 / 3, rtol=1e-6)  # 2 / (2 + damping)
    assert still.diverged == updates.NOT_DIVERGED and still.evaluations == 0
    np.testing.assert_array_equal(still.params, 0)


@pytest.mark.slow
def test_a_recurrent_network_is_trained_faster_than_by_gradients():
    """From two starts, in lanes that advance together, against SGD with six rates."""
    params, outputs, loss, _ = recurrent()
    steps = 15

    def loss_of(params):
        return loss(outputs(params)[0])

    @jax.jit
    @jax.vmap
    def train(params, rate):
        def body(k, carry):
            state, theirs = carry
            state, _ = hessian_free.step(
                state, k, outputs, loss, iterations=20, structural=0.1
            )
            return state, theirs - rate * jax.grad(loss_of)(theirs)

        start = hessian_free.init(params), params
        state, theirs = jax.lax.fori_loop(0, steps, body, start)
        return loss_of(state.params), loss_of(theirs), state

    rates = 10.0 ** np.arange(-3, 3, dtype=np.float32)
    with mesh.traced(True), weight_gradient.linearizable():
        ours, theirs, state = train(jnp.stack([params, -params] * 3), rates)
    assert np.max(ours) < np.nanmin(theirs) / 10
    assert all(state.diverged < 0) and all(state.updates > steps / 2)
