"""Training: the optimizers against optax's, a known optimum, lanes that diverge."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import flat
from optax import contrib

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.tasks.parameters import Parameters
from rnnjax.tasks.units import Units
from rnnjax.training import method, training
from rnnjax.training.training import Hyperparameters

TASK = Units(size=4, delay=1, batch=32)


def train(network, task=TASK, updates=4000, optimizer="adam", **values):
    hyperparameters = (Hyperparameters(**values),)
    return training.Training(network, task, updates, hyperparameters, optimizer)


def linear(units):
    cell = registry.CELLS["rnn_tanh"](hidden_size=units, activation=lambda x: x)
    return networks.Network(cell, outputs=4)


def gru():
    return networks.Network(registry.CELLS["gru"](hidden_size=3), outputs=4)


def init(experiment, count=2):
    seeds = np.arange(count, dtype=np.uint32)
    valid = np.ones(count, bool)
    return experiment.init(Mesh.local(), seeds, valid, np.arange(count))


def run(experiment, seeds=(0, 1), mesh=None):
    result = lanes.run_group(lanes.Group("g", experiment, seeds), mesh or Mesh.local())
    return result.rows, result.state


@pytest.mark.parametrize(
    "units", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 4))]
)
def test_a_linear_network_reaches_the_closed_form(units):
    """n linear units can keep n of 4 independent numbers at best."""
    rows, _ = run(train(linear(units), updates=3000, learning_rate=1e-2))
    for row in rows:
        # Three standard errors of 2,048 tests.
        assert row["loss"] == pytest.approx(1 - units / 4, abs=0.04)
        assert row["status"] == "trained"
        assert row["train_losses"][-1] < row["train_losses"][0]


OPTAX = {
    "adam": lambda schedule: optax.adamw(schedule, b1=0.8, weight_decay=0.1),
    "rmsprop": lambda schedule: optax.chain(
        optax.scale_by_rms(decay=0.99),
        optax.trace(0.8),
        optax.add_decayed_weights(0.1),
        optax.scale_by_learning_rate(schedule),
    ),
    "muon": lambda schedule: contrib.muon(
        schedule, beta=0.8, weight_decay=0.1, adam_weight_decay=0.1
    ),
    "sgd": lambda schedule: optax.chain(
        optax.trace(0.8),
        optax.add_decayed_weights(0.1),
        optax.scale_by_learning_rate(schedule),
    ),
}


@pytest.mark.parametrize(
    "optimizer",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "adam")) for name in OPTAX],
)
def test_updates_are_those_of_optax(optimizer):
    """Ten updates with clipping, a rate that falls as a square root, weight decay."""
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
    start = init(experiment)
    _, state = run(experiment)
    schedule = optax.polynomial_schedule(0.05, 0.0, 0.5, updates)
    theirs = optax.chain(optax.clip_by_global_norm(0.1), OPTAX[optimizer](schedule))
    variables = jax.tree.map(lambda leaf: leaf[1], jax.device_get(start.variables))
    opt_state = theirs.init(variables)

    @jax.jit
    def update(variables, opt_state, key):
        batch = TASK.sample(None, key)
        gradient = jax.grad(
            lambda v: TASK.loss(method.forward(network, v, TASK, batch.x), batch)
        )(variables)
        change, opt_state = theirs.update(gradient, opt_state, variables)
        return optax.apply_updates(variables, change), opt_state

    for k in range(updates):
        key = jax.random.fold_in(start.key[1], k)
        variables, opt_state = update(variables, opt_state, key)
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(
            ours[1], theirs, rtol=2e-4, atol=1e-5
        ),
        state.variables,
        variables,
    )


def test_gradients_agree_with_finite_differences(x64):
    network = gru()
    batch = TASK.sample(None, jax.random.key(0))
    batch = type(batch)(*(leaf.astype(jnp.float64) for leaf in batch))
    variables = networks.initialize(network, jax.random.key(1), 4)
    variables = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), variables)
    flat, unflatten = jax.flatten_util.ravel_pytree(variables)

    @jax.jit
    def loss(flat):
        outputs = method.forward(network, unflatten(flat), TASK, batch.x)
        return TASK.loss(outputs, batch)

    gradient = jax.grad(loss)(flat)
    for k in range(0, len(flat), 7):
        step = jnp.zeros_like(flat).at[k].set(1e-6)
        expected = float(loss(flat + step) - loss(flat - step)) / 2e-6
        assert float(gradient[k]) == pytest.approx(expected, abs=1e-8)


def test_a_blank_step_is_an_input_of_zeros():
    """Zeros in the sequence and blank steps give the same answers."""
    network = gru()
    variables = networks.initialize(network, jax.random.key(1), 4)
    x = jax.random.normal(jax.random.key(0), (1, 5, 4))
    padded = jnp.pad(x, ((0, 20), (0, 0), (0, 0)))
    whole = method.forward(network, variables, Units(size=4, delay=0), padded)
    blank = method.forward(network, variables, Units(size=4, delay=20), x)
    np.testing.assert_allclose(blank, whole, rtol=1e-5, atol=1e-6)

    class EveryStep(Units):
        every_step = True

    every = method.forward(network, variables, EveryStep(size=4, delay=20), x)
    assert every.shape == (21, 5, 4)
    np.testing.assert_allclose(every[-1], whole, rtol=1e-5, atol=1e-6)


def test_gains_and_the_keep_bias_scale_the_start():
    names = ("kernel_gain", "recurrent_gain", "readout_gain", "keep_bias")
    values = tuple(
        Hyperparameters(
            kernel_gain=k, recurrent_gain=3.0, readout_gain=0.5, keep_bias=k
        )
        for k in (1.0, 2.0)
    )
    start = init(training.Training(gru(), TASK, 1, values, gains=names))
    plain = init(training.Training(gru(), TASK, 1, gains=()))
    # Lane 1: a kernel gain and a keep bias of 2.
    ours, theirs = (
        flat(jax.tree.map(lambda leaf: leaf[1], state.variables))
        for state in (start, plain)
    )
    factors = {"input/kernel": 2.0, "recurrent/kernel": 3.0, "readout/kernel": 0.5}
    scaled = set()
    for path, leaf in theirs.items():
        for part, factor in factors.items():
            if part in path:
                np.testing.assert_allclose(ours[path], factor * leaf, rtol=1e-6)
                scaled.add(part)
    assert len(scaled) >= 2
    bias = next(path for path in theirs if path.endswith("input/bias"))
    assert 2.0 in ours[bias]
    assert 2.0 not in theirs[bias]


def test_a_lane_that_diverges_does_not_touch_its_neighbors():
    """At a learning rate of 1e30 a lane diverges; the others are as without it."""
    good, bad = Hyperparameters(learning_rate=1e-3), Hyperparameters(learning_rate=1e30)
    clean, _ = run(training.Training(linear(2), TASK, 300, (good,)), seeds=(0, 1, 2))
    mixed = training.Training(linear(2), TASK, 300, (good, bad, good))
    rows, _ = run(mixed, seeds=(0, 1, 2))
    assert [row["status"] for row in rows] == ["trained", "diverged", "trained"]
    assert 0 < rows[1]["diverged_update"] < 10
    assert rows[1]["loss"] is None
    assert [rows[0], rows[2]] == [clean[0], clean[2]]


def test_rows_do_not_depend_on_devices_or_neighbors():
    """Bitwise, where lanes are looped over; vmapped programs round differently."""
    values = tuple(
        Hyperparameters(learning_rate=10.0**-k, samples=30) for k in (2, 3, 4)
    )
    task = Parameters(inputs=6, padded_samples=40)
    network = networks.Network(registry.CELLS["rnn_tanh"](hidden_size=2), outputs=1)
    experiment = training.Training(network, task, 300, values)
    two, one = (Mesh(tuple(jax.devices()[:n]), 1) for n in (2, 1))
    rows, _ = run(experiment, seeds=(0, 1, 2), mesh=two)
    assert run(experiment, seeds=(0, 1, 2), mesh=one)[0] == rows
    alone = dataclasses.replace(experiment, hyperparameters=values[2:])
    assert run(alone, seeds=(2,), mesh=two)[0] == rows[2:]


def test_a_long_curve_is_thinned():
    updates = training.UPDATES_PER_CHUNK * (training.CURVE + 5)
    rows, _ = run(train(linear(1), updates=updates))
    assert len(rows[0]["train_losses"]) == training.CURVE
    assert None not in rows[0]["train_losses"]


def test_lanes_that_advance_together_are_scored_at_the_end_alone():
    """The branch on the chunk, which all lanes share, stays a branch."""
    mesh = Mesh(tuple(jax.devices()[:1]), None)
    experiment = train(linear(2), updates=500)
    state = experiment.init(
        mesh, np.arange(3, dtype=np.uint32), np.ones(3, bool), np.arange(3)
    )
    program = mesh.map_lanes(
        training._train, method=experiment.method, per_chunk=experiment.per_chunk
    )
    traced = jax.make_jaxpr(
        lambda state, chunk: program((state,), (chunk, np.int32(500), np.int32(0)))
    )(state, np.int32(0))
    assert " cond[" in str(traced)
