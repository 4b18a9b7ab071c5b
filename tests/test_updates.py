"""One guarded training step, and what is kept of a training's loss."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax.engine import mesh, updates
from rnnjax.engine.optimizers import OPTIMIZERS

TARGET = {"a": jnp.array([1.0, -2.0]), "b": jnp.array(3.0)}
ZEROS = jax.tree.map(jnp.zeros_like, TARGET)
SGD = OPTIMIZERS["sgd"].make({"momentum": 0.0})


def distance(params):
    """Half of the squared distance to the target: its gradient is the difference."""
    squares = jax.tree.map(lambda v, t: jnp.sum((v - t) ** 2), params, TARGET)
    return sum(jax.tree.leaves(squares)) / 2


def assert_equal(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


@pytest.mark.parametrize("together", [False, True])
def test_steps_are_those_of_optax(together):
    """Without clipping and weight decay; `test_optimizers` has every optimizer."""
    defaults = OPTIMIZERS["adam"].defaults
    expected = optax.adam(0.1)
    params, opt_state = ZEROS, expected.init(ZEROS)
    for _ in range(5):
        change, opt_state = expected.update(jax.grad(distance)(params), opt_state)
        params = optax.apply_updates(params, change)

    @jax.jit
    def train(hyperparameters):
        optimizer = OPTIMIZERS["adam"].make(hyperparameters)
        return updates.chunk(
            updates.init(ZEROS, optimizer),
            5,
            8,
            lambda state, k, live: updates.step(
                state, k, distance, optimizer, 0.1, live=live
            ),
        )[0]

    with mesh.traced(together):
        assert_equal(train(defaults).params, params, rtol=1e-5)


def test_a_long_gradient_is_clipped_and_a_short_one_is_not():
    """The gradient at 0 is minus the target, of norm sqrt(1 + 4 + 9)."""
    norm = np.sqrt(14)
    state = updates.init(ZEROS, SGD)
    for clip, factor in ((2.0, 2.0 / norm), (4.0, 1.0)):
        after, _ = updates.step(state, 0, distance, SGD, 0.5, clip=clip)
        expected = jax.tree.map(lambda t, f=factor: 0.5 * f * t, TARGET)
        assert_equal(after.params, expected, rtol=1e-6)


def test_a_gradient_of_zero_survives_clipping():
    state = updates.init(TARGET, SGD)
    after, loss = updates.step(state, 0, distance, SGD, 0.5, clip=1.0)
    assert loss == 0 and after.diverged < 0
    assert_equal(after.params, TARGET)


def test_weight_decay_is_not_part_of_the_gradient():
    """Without a gradient, the parameters shrink by learning rate x weight decay."""
    adam = OPTIMIZERS["adam"].make(OPTIMIZERS["adam"].defaults)
    state = updates.init(TARGET, adam)
    after, _ = updates.step(state, 0, distance, adam, 0.5, weight_decay=0.1)
    assert_equal(after.params, jax.tree.map(lambda v: 0.95 * v, TARGET), rtol=1e-6)


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("together", [False, True])
def test_parameters_stay_from_the_diverged_step_on(together, where, bad, clip):
    """Step 12 of steps 10 to 14 is not finite; the ones after it would be again."""
    adam = OPTIMIZERS["adam"].make(OPTIMIZERS["adam"].defaults)

    def train(steps):
        def step(state, k, live):
            def loss(params):
                value = distance(params)
                if where == "loss":
                    return jnp.where(k == 2, bad, value)
                # A term that is 0 and whose derivative is not finite.
                return value + jnp.where(k == 2, bad, 1.0) * (
                    params["b"] - jax.lax.stop_gradient(params["b"])
                )

            return updates.step(state, 10 + k, loss, adam, 0.1, clip=clip, live=live)

        start = updates.init(ZEROS, adam)
        with mesh.traced(together):
            return jax.jit(lambda: updates.chunk(start, steps, 6, step)[0])()

    before, after = train(2), train(5)
    assert before.diverged == updates.NOT_DIVERGED and after.diverged == 12
    assert_equal(after.params, before.params)


@pytest.mark.parametrize("together", [False, True])
def test_the_loss_of_a_chunk_is_the_mean_of_its_steps(together):
    def step(state, k, live):
        def loss(params):
            return 0 * distance(params) + k

        return updates.step(state, k, loss, SGD, 0.1, live=live)

    with mesh.traced(together):
        assert updates.chunk(updates.init(ZEROS, SGD), 4, 9, step)[1] == 1.5


def test_a_step_beyond_the_last_cannot_diverge():
    """Steps 3 to 5 are computed together and not kept: their loss is NaN."""

    def step(state, k, live):
        def loss(params):
            return jnp.where(k < 3, distance(params), jnp.nan)

        return updates.step(state, k, loss, SGD, 0.1, live=live)

    with mesh.traced(True):
        state, mean_loss = updates.chunk(updates.init(ZEROS, SGD), 3, 6, step)
    assert state.diverged == updates.NOT_DIVERGED and np.isfinite(mean_loss)


def test_a_curve_has_room_for_every_chunk_or_is_shared_by_neighbors():
    def places(chunks, size):
        return [updates.curve_index(chunk, chunks, size) for chunk in range(chunks)]

    assert places(3, 4) == [0, 1, 2]
    assert doctest.testmod(updates) == (0, 1)
    assert sorted(set(places(1000, 64))) == list(range(64))


def test_numbers_that_json_cannot_hold_are_none():
    values = [np.float32(0.5), jnp.float32(2), np.nan, np.inf, -np.inf]
    assert [updates.number(value) for value in values] == [0.5, 2.0, None, None, None]


def test_the_norm_is_over_all_leaves_and_wide_enough():
    tree = {"a": jnp.full(3, 2.0, jnp.bfloat16), "b": jnp.ones(4)}
    norm = updates.global_norm(tree)
    assert norm == 4.0 and norm.dtype == jnp.float32
