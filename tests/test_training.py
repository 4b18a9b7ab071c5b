"""Training: the optimiser against optax's own, a known optimum, and lanes that diverge."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax import lanes, networks, training
from rnnjax.cells import registry
from rnnjax.tasks.units import Units

TASK = Units(size=4, delay=1, batch=32)


def linear(units):
    return networks.Network(registry.CELLS["rnn_tanh"](hidden_size=units, activation=lambda x: x), outputs=4)


def run(experiment, seeds=(0, 1), mesh=None):
    return lanes.run_group(lanes.Group("g", experiment, seeds), mesh or lanes.Mesh.local())


@pytest.mark.parametrize("units", [1, 2, 4])
def test_a_linear_network_reaches_the_closed_form(units):
    """The best that n linear units can do for 4 independent numbers is to drop 4 - n of them."""
    rows, _ = run(training.Training(linear(units), TASK, updates=3000, learning_rate=1e-2))
    for row in rows:
        assert row["loss"] == pytest.approx(1 - units / 4, abs=0.04)  # three standard errors of 2,048 tests
        assert row["status"] == "trained"
        assert row["losses"][-1] < row["losses"][0]


def test_updates_are_those_of_optax():
    """Ten updates by hand: Adam, clipped to a length, at a rate that falls linearly to 0."""
    network, updates = linear(3), 10
    experiment = training.Training(network, TASK, updates=updates, learning_rate=0.05, clip=0.1)
    mesh = lanes.Mesh.local()
    start = experiment.init(mesh, np.arange(2, dtype=np.uint32), np.ones(2, bool))
    _, state = run(experiment)
    schedule = optax.linear_schedule(0.05, 0.0, updates)
    optimiser = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(schedule))
    variables = jax.tree.map(lambda leaf: leaf[1], jax.device_get(start.variables))
    moments = optimiser.init(variables)
    for k in range(updates):
        batch = TASK.sample(jax.random.fold_in(start.key[1], k))
        gradient = jax.grad(lambda v, b: TASK.loss(training.forward(network, v, b.x), b))(variables, batch)
        change, moments = optimiser.update(gradient, moments)
        variables = optax.apply_updates(variables, change)
    jax.tree.map(lambda ours, theirs: np.testing.assert_allclose(ours[1], theirs, rtol=2e-4, atol=1e-6), state.variables, variables)


def test_gradients_agree_with_finite_differences(x64):
    network = networks.Network(registry.CELLS["gru"](hidden_size=3), outputs=4)
    batch = TASK.sample(jax.random.key(0))
    batch = type(batch)(*(leaf.astype(jnp.float64) for leaf in batch))
    variables = networks.initialize(network, jax.random.key(1), 4)
    variables = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), variables)
    flat, unflatten = jax.flatten_util.ravel_pytree(variables)

    def loss(flat):
        return TASK.loss(training.forward(network, unflatten(flat), batch.x), batch)

    gradient = jax.grad(loss)(flat)
    for k in range(0, len(flat), 7):
        step = jnp.zeros_like(flat).at[k].set(1e-6)
        expected = float(loss(flat + step) - loss(flat - step)) / 2e-6
        assert float(gradient[k]) == pytest.approx(expected, abs=1e-8)


def test_a_lane_that_diverges_keeps_what_it_had_and_its_neighbours():
    class Poisoned(training.Training):
        def init(self, mesh, seeds, live):
            state = super().init(mesh, seeds, live)
            rates = np.array(state.learning_rate)
            rates[1] = 1e30
            return state._replace(learning_rate=mesh.place(rates))

    settings = {"updates": 300, "learning_rate": 1e-3}
    clean, _ = run(training.Training(linear(2), TASK, **settings), seeds=(0, 1, 2))
    rows, state = run(Poisoned(linear(2), TASK, **settings), seeds=(0, 1, 2))
    assert [row["status"] for row in rows] == ["trained", "diverged", "trained"]
    assert 0 < rows[1]["diverged_update"] < 10
    assert [rows[0], rows[2]] == [clean[0], clean[2]]


def test_rows_do_not_depend_on_devices_or_neighbours():
    experiment = training.Training(linear(2), TASK, updates=300)
    one = lanes.Mesh(tuple(jax.devices()[:1]), 1)
    rows, _ = run(experiment, seeds=(0, 1, 2))
    assert run(experiment, seeds=(0, 1, 2), mesh=one)[0] == rows
    assert run(experiment, seeds=(2,))[0] == rows[2:]
