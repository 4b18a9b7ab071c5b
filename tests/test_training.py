"""Training: the optimiser against optax's own, a known optimum, and lanes that diverge."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import flat

from rnnjax import networks
from rnnjax.capacity import training
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.tasks.parameters import Parameters
from rnnjax.tasks.units import Units

TASK = Units(size=4, delay=1, batch=32)


def train(network, task=TASK, updates=4000, optimizer="adam", **settings):
    return training.Training(
        network, task, updates, (training.Settings(**settings),), optimizer
    )


def linear(units):
    return networks.Network(
        registry.CELLS["rnn_tanh"](hidden_size=units, activation=lambda x: x), outputs=4
    )


def run(experiment, seeds=(0, 1), mesh=None):
    result = lanes.run_group(lanes.Group("g", experiment, seeds), mesh or Mesh.local())
    return result.rows, result.state


@pytest.mark.parametrize("units", [1, 2, 4])
def test_a_linear_network_reaches_the_closed_form(units):
    """The best that n linear units can do for 4 independent numbers is to drop 4 - n of them."""
    rows, _ = run(train(linear(units), updates=3000, learning_rate=1e-2))
    for row in rows:
        assert row["loss"] == pytest.approx(
            1 - units / 4, abs=0.04
        )  # three standard errors of 2,048 tests
        assert row["status"] == "trained"
        assert row["losses"][-1] < row["losses"][0]


OPTAX = {
    "adam": lambda schedule: optax.adamw(schedule, b1=0.8, weight_decay=0.1),
    "rmsprop": lambda schedule: optax.chain(
        optax.scale_by_rms(decay=0.99),
        optax.trace(0.8),
        optax.add_decayed_weights(0.1),
        optax.scale_by_learning_rate(schedule),
    ),
    "sgd": lambda schedule: optax.chain(
        optax.trace(0.8),
        optax.add_decayed_weights(0.1),
        optax.scale_by_learning_rate(schedule),
    ),
}


@pytest.mark.parametrize("optimizer", training.OPTIMIZERS)
def test_updates_are_those_of_optax(optimizer):
    """Ten updates by hand: clipped to a length, at a rate that falls as a square root, with decoupled weight decay."""
    network, updates = linear(3), 10
    experiment = train(
        network,
        updates=updates,
        optimizer=optimizer,
        learning_rate=0.05,
        clip=0.1,
        decay=0.5,
        momentum=0.8,
        weight_decay=0.1,
    )
    mesh = Mesh.local()
    start = experiment.init(
        mesh, np.arange(2, dtype=np.uint32), np.ones(2, bool), np.arange(2)
    )
    _, state = run(experiment)
    schedule = optax.polynomial_schedule(0.05, 0.0, 0.5, updates)
    optimiser = optax.chain(optax.clip_by_global_norm(0.1), OPTAX[optimizer](schedule))
    variables = jax.tree.map(lambda leaf: leaf[1], jax.device_get(start.variables))
    moments = optimiser.init(variables)
    for k in range(updates):
        batch = TASK.sample(None, jax.random.fold_in(start.key[1], k))
        gradient = jax.grad(
            lambda v, b: TASK.loss(training.forward(network, v, TASK, b.x), b)
        )(variables, batch)
        change, moments = optimiser.update(gradient, moments, variables)
        variables = optax.apply_updates(variables, change)
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(
            ours[1], theirs, rtol=2e-4, atol=1e-5
        ),
        state.variables,
        variables,
    )


def test_gradients_agree_with_finite_differences(x64):
    network = networks.Network(registry.CELLS["gru"](hidden_size=3), outputs=4)
    batch = TASK.sample(None, jax.random.key(0))
    batch = type(batch)(*(leaf.astype(jnp.float64) for leaf in batch))
    variables = networks.initialize(network, jax.random.key(1), 4)
    variables = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), variables)
    flat, unflatten = jax.flatten_util.ravel_pytree(variables)

    def loss(flat):
        return TASK.loss(
            training.forward(network, unflatten(flat), TASK, batch.x), batch
        )

    gradient = jax.grad(loss)(flat)
    for k in range(0, len(flat), 7):
        step = jnp.zeros_like(flat).at[k].set(1e-6)
        expected = float(loss(flat + step) - loss(flat - step)) / 2e-6
        assert float(gradient[k]) == pytest.approx(expected, abs=1e-8)


def test_silence_is_an_input_of_zeros():
    """What is hoisted out of the loop changes nothing: all steps at once give the same answers, at the end and at every step."""
    network = networks.Network(registry.CELLS["gru"](hidden_size=3), outputs=4)
    variables = networks.initialize(network, jax.random.key(1), 4)
    x = jax.random.normal(jax.random.key(0), (1, 5, 4))
    whole = training.forward(
        network,
        variables,
        Units(size=4, delay=0),
        jnp.pad(x, ((0, 20), (0, 0), (0, 0))),
    )
    np.testing.assert_allclose(
        training.forward(network, variables, Units(size=4, delay=20), x),
        whole,
        rtol=1e-5,
        atol=1e-6,
    )

    class Asked(Units):
        every_step = True

    every = training.forward(network, variables, Asked(size=4, delay=20), x)
    assert every.shape == (21, 5, 4)
    np.testing.assert_allclose(every[-1], whole, rtol=1e-5, atol=1e-6)


def test_gains_and_the_keep_bias_scale_the_start():
    network = networks.Network(registry.CELLS["gru"](hidden_size=3), outputs=4)
    names = ("kernel_gain", "recurrent_gain", "readout_gain", "keep_bias")
    settings = tuple(
        training.Settings(
            kernel_gain=k, recurrent_gain=3.0, readout_gain=0.5, keep_bias=k
        )
        for k in (1.0, 2.0)
    )
    start = training.Training(network, TASK, 1, settings, gains=names).init(
        Mesh.local(), np.zeros(2, np.uint32), np.ones(2, bool), np.arange(2)
    )
    plain = training.Training(network, TASK, 1, gains=()).init(
        Mesh.local(), np.zeros(2, np.uint32), np.ones(2, bool), np.arange(2)
    )
    ours, theirs = (
        flat(jax.tree.map(lambda leaf: leaf[1], s.variables)) for s in (start, plain)
    )
    factors = {"input/kernel": 2.0, "recurrent/kernel": 3.0, "readout/kernel": 0.5}
    seen = set()
    for path, leaf in theirs.items():
        for part, factor in factors.items():
            if part in path:
                np.testing.assert_allclose(ours[path], factor * leaf, rtol=1e-6)
                seen.add(part)
    assert len(seen) >= 2
    bias = next(path for path in theirs if path.endswith("input/bias"))
    assert 2.0 in ours[bias]
    assert 2.0 not in theirs[bias]


def test_a_lane_that_diverges_does_not_touch_its_neighbours():
    """With 1e30 as its learning rate a lane diverges; it has no scores, and the others are what they are without it."""
    good, bad = (
        training.Settings(learning_rate=1e-3),
        training.Settings(learning_rate=1e30),
    )
    clean, _ = run(training.Training(linear(2), TASK, 300, (good,)), seeds=(0, 1, 2))
    rows, _ = run(
        training.Training(linear(2), TASK, 300, (good, bad, good)), seeds=(0, 1, 2)
    )
    assert [row["status"] for row in rows] == ["trained", "diverged", "trained"]
    assert 0 < rows[1]["diverged_update"] < 10
    assert rows[1]["loss"] is None
    assert [rows[0], rows[2]] == [clean[0], clean[2]]


def test_rows_do_not_depend_on_devices_or_neighbours():
    """Bitwise, where lanes are looped over; a vmapped program rounds differently on another number of devices."""
    settings = tuple(training.Settings(learning_rate=10.0**-k) for k in (2, 3, 4))
    task = Parameters(inputs=6, padded_samples=40)
    network = networks.Network(registry.CELLS["rnn_tanh"](hidden_size=2), outputs=1)
    experiment = training.Training(
        network, task, 300, tuple(s._replace(samples=30) for s in settings)
    )
    two, one = (Mesh(tuple(jax.devices()[:n]), 1) for n in (2, 1))
    rows, _ = run(experiment, seeds=(0, 1, 2), mesh=two)
    assert run(experiment, seeds=(0, 1, 2), mesh=one)[0] == rows
    alone = dataclasses.replace(experiment, settings=experiment.settings[2:])
    assert run(alone, seeds=(2,), mesh=two)[0] == rows[2:]


def test_a_long_curve_is_thinned():
    rows, _ = run(train(linear(1), updates=training.UPDATES * (training.CURVE + 5)))
    assert len(rows[0]["losses"]) == training.CURVE
    assert None not in rows[0]["losses"]


def test_lanes_that_advance_together_are_scored_at_the_end_alone():
    """The choice by the chunk, which all lanes share, stays a branch."""
    mesh = Mesh(tuple(jax.devices()[:1]), None)
    experiment = train(linear(2), updates=500)
    state = experiment.init(
        mesh, np.arange(3, dtype=np.uint32), np.ones(3, bool), np.arange(3)
    )
    program = mesh.map_lanes(
        training._train, network=experiment.network, task=TASK, optimizer="adam"
    )
    traced = jax.make_jaxpr(
        lambda state, chunk: program((state,), (chunk, np.int32(500), np.int32(0)))
    )(state, np.int32(0))
    assert " cond[" in str(traced)
