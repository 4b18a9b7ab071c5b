"""Optimization: trials, gradients by lag, and trainings against training itself."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import hessian_free, lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.optimizers import OPTIMIZERS
from rnnjax.optimization import gradients, hyperparameters, schema
from rnnjax.optimization.config import configure
from rnnjax.optimization.experiment import Optimization
from rnnjax.optimization.parts import parts, points
from rnnjax.tasks.adding import Adding
from rnnjax.tasks.rows import Rows
from rnnjax.tasks.task import Level
from rnnjax.tasks.two_circles import TwoCircles
from rnnjax.training.method import (
    HESSIAN_FREE,
    ITERATIONS,
    METHODS,
    TOLERANCE,
    Hyperparameters,
    forward,
)
from rnnjax.training.training import Training

pytestmark = pytest.mark.usefixtures("quick_compilation")

TASK = TwoCircles(batch=16)


class Easy(TwoCircles):
    """Solved by most networks before the first update."""

    solved = Level("accuracy", 0.52)


def network(task=TASK, cell="rnn_tanh", units=3):
    return networks.Network(registry.CELLS[cell](units), outputs=task.outputs)


def training(name="plain_sgd", task=TASK, updates=12, per_chunk=4, **values):
    numbers = (Hyperparameters(**{"learning_rate": 0.5, "decay": 0.0} | values),)
    return Training(network(task), task, updates, numbers, name, (), {}, per_chunk)


def run(*stages, seeds=(0, 1), mesh=None, **options):
    made = Optimization(stages, ({},) * len(seeds), **options)
    group = lanes.Group("test", made, seeds)
    result = lanes.run_group(group, mesh or Mesh.local())
    return result.rows, result.state


# Trials.


@pytest.mark.parametrize("optimizer", METHODS)
def test_random_trials_lie_in_their_ranges(optimizer):
    known = hyperparameters.numbers(optimizer)
    first, *others = hyperparameters.trials(optimizer, schema.RANDOM, 50, seed=3)
    assert first.values == {name: number.default for name, number in known.items()}
    assert set(known) <= {hyperparameters.RATE, *schema.NUMBERS}
    for name, number in known.items():
        drawn = np.array([one.values[name] for one in others])
        low, high = sorted((number.at(0.0), number.at(1.0)))
        assert np.all((drawn >= low - 1e-6) & (drawn <= high * (1 + 1e-6)))
        assert low == high or len(set(drawn)) == 50
    again = hyperparameters.trials(optimizer, schema.RANDOM, 50, seed=4)
    assert not known or optimizer == "lbfgs" or again[1] != others[0]


def test_random_trials_of_optimizers_share_their_fractions():
    def fraction(optimizer):
        rate = hyperparameters.trials(optimizer, schema.RANDOM, 1, seed=0)[1].values
        range = OPTIMIZERS[optimizer].learning_rate.range
        return np.log(rate[hyperparameters.RATE] / range.low) / np.log(
            range.high / range.low
        )

    assert fraction("adam") == pytest.approx(fraction("plain_sgd"), abs=1e-5)


def test_rates_are_evenly_spaced_and_leave_out_the_default():
    found = hyperparameters.trials("lion", schema.RATES, 5, seed=0)
    rates = [one.values["learning_rate"] for one in found]
    assert rates[0] == 1e-4 and not found[0].searched  # none of the five
    np.testing.assert_allclose(rates[1:], np.geomspace(3e-6, 3e-2, 5), rtol=1e-6)
    found = hyperparameters.trials("adam", schema.RATES, 5, seed=0)
    assert [one.number for one in found] == [0, 1, 2, 4, 5] and found[0].searched
    (only,) = hyperparameters.trials("lbfgs", schema.RATES, 5, seed=0)
    (alone,) = hyperparameters.trials("lion", schema.RATES, 0, seed=0)
    assert only.searched and alone.searched


# The gradient by lag.


def test_gradient_by_lag_is_that_of_products_of_jacobians(x64):
    """Of a tanh network: dL / dh_(t-1) = U diag(1 - h_t^2) dL / dh_t, in NumPy."""
    task = Adding(length=7, batch=5)
    net = network(task)
    variables = jax.tree.map(
        lambda leaf: jnp.asarray(leaf, jnp.float64),
        networks.initialize(net, jax.random.key(1), 2),
    )
    batch = task.sample(None, jax.random.key(2))
    found = gradients.by_lag(net, variables, task, batch)
    cell, readout = variables["params"]["cell"], variables["params"]["readout"]
    kernel, bias = cell["input"]["kernel"], cell["input"]["bias"]
    (u,) = cell["recurrent"]["kernel"]
    norms = np.zeros(7)
    for x, target in zip(np.swapaxes(batch.x, 0, 1), batch.target):
        h, states = np.zeros(3), []
        for x_t in x:
            h = np.tanh(x_t @ kernel + bias + h @ u)
            states.append(h)
        error = h @ readout["kernel"] + readout["bias"] - target
        gradient = 2 * readout["kernel"] @ error
        for lag, h in enumerate(reversed(states)):
            gradient = u @ ((1 - h**2) * gradient)
            norms[lag] += np.linalg.norm(gradient) / 5
    np.testing.assert_allclose(found, norms, rtol=1e-6)


def test_lags_go_from_the_last_step_to_the_first():
    assert gradients.lags(4) == [1, 2, 3, 4]
    assert len(gradients.lags(400)) == 50 and gradients.lags(400)[::49] == [1, 400]


# Trainings.


def test_a_lane_is_a_training_with_validations():
    """The same weights in the end as of `training`, and scores of that network."""
    stage = training(updates=10)
    rows, state = run(stage)
    plain = lanes.run_group(lanes.Group("g", stage, (0, 1)), Mesh.local())
    for row, expected in zip(rows, plain.rows):
        assert row["curve_updates"] == row["curve_gradients"] == [4, 8, 10]
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-6)
        assert row["accuracy"] == pytest.approx(expected["accuracy"])
        np.testing.assert_allclose(row["train_losses"], expected["train_losses"])
        assert row["validation_loss"][-1] != row["loss"]
        assert row["gradient_start"] != row["gradient_end"]
    a, b = (jax.tree.leaves(s.variables) for s in (state.trainings[0], plain.state))
    for one, other in zip(a, b):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "optimizer", ["adam", pytest.param("schedule_free_adamw", marks=pytest.mark.slow)]
)
def test_a_training_ends_once_it_is_solved(optimizer):
    task = Easy(batch=16)
    stage = training(optimizer, task, learning_rate=0.1)
    rows, _ = run(stage, until_solved=True)
    through, _ = run(stage)
    assert any(row["solved_update"] in (4, 8) for row in rows)
    for row, whole in zip(rows, through):
        assert row["solved_update"] == whole["solved_update"]
        if row["solved_update"] is None:
            continue
        point = row["curve_updates"].index(row["solved_update"])
        assert (
            row["validation_accuracy"][: point + 1]
            == (whole["validation_accuracy"][: point + 1])
        )
        assert row["validation_accuracy"][point + 1 :] == [None] * (2 - point)
        short = dataclasses.replace(stage, updates=row["solved_update"])
        ended = run(short, seeds=(row["seed"], 9))[0][0]
        assert row["loss"] == pytest.approx(ended["loss"], rel=1e-5)
        assert row["status"] == "trained"


def test_a_lane_that_diverges_says_when_and_leaves_others_alone():
    numbers = tuple(
        Hyperparameters(learning_rate=rate, decay=0.0, clip=1e30)
        for rate in (0.5, 1e30, 0.5)
    )
    relu = network(cell="rnn_relu")
    alone = dataclasses.replace(training(clip=1e30), network=relu)
    stage = dataclasses.replace(alone, hyperparameters=numbers)
    made = Optimization((stage,), ({},) * 3)
    rows = lanes.run_group(lanes.Group("g", made, (0, 1, 2)), Mesh.local()).rows
    assert [row["status"] for row in rows] == ["trained", "diverged", "trained"]
    bad = rows[1]
    assert bad["accuracy"] is None and bad["solved_update"] is None
    assert bad["validation_loss"][-1] is None and bad["gradient_end"] == [None]
    assert 0 < bad["diverged_update"] < 12
    assert rows[2]["loss"] == run(alone, seeds=(2, 3))[0][0]["loss"]


def test_optimizers_follow_one_another_in_one_network():
    first, still = training(), training("adam", learning_rate=0.0)
    rows, _ = run(first, still)
    alone, _ = run(first)
    for row, expected in zip(rows, alone):
        assert row["curve_updates"] == [4, 8, 12, 16, 20, 24]
        accuracy = row["validation_loss"]
        assert accuracy[:3] == expected["validation_loss"]
        assert accuracy[3:] == [accuracy[2]] * 3
        assert row["train_losses"][3] != row["train_losses"][0]  # other batches
        assert row["loss"] == expected["loss"]


@pytest.mark.slow
def test_lanes_agree_together_and_one_by_one():
    devices = tuple(jax.local_devices()[:1])
    one, together = (
        run(training(), seeds=(0, 1, 2), mesh=Mesh(devices, width))[0]
        for width in (1, None)
    )
    for a, b in zip(one, together):
        np.testing.assert_allclose(a["validation_loss"], b["validation_loss"], 1e-4)
        np.testing.assert_allclose(a["gradient_end"], b["gradient_end"], 1e-3)


# Hessian-free updates and L-BFGS in trainings.


@pytest.mark.slow
def test_hessian_free_updates_are_those_of_the_engine():
    stage = training(HESSIAN_FREE, updates=2, per_chunk=1, optimizer={"damping": 0.5})
    rows, state = run(stage)
    method, lane = stage.method, 0
    start = stage.init(Mesh.local(), np.arange(2), np.ones(2, bool), np.arange(2))
    variables, key = jax.tree.map(lambda leaf: leaf[lane], (start.variables, start.key))
    params, back = method.trained(variables)
    expected = hessian_free.init(params, 0.5)
    for k in range(2):
        batch = TASK.sample(None, jax.random.fold_in(key, k))

        def outputs(params, batch=batch):
            return forward(method.network, back(params), TASK, batch.x), None

        expected, _ = hessian_free.step(
            expected,
            jnp.int32(k),
            outputs,
            lambda y, batch=batch: TASK.loss(y, batch),
            iterations=ITERATIONS,
            tolerance=TOLERANCE,
        )
    trained = jax.tree.map(lambda leaf: leaf[lane], state.trainings[0].variables)
    np.testing.assert_allclose(method.trained(trained)[0], expected.params, rtol=1e-4)
    assert rows[lane]["curve_gradients"][-1] == int(expected.evaluations) > 6


@pytest.mark.slow
def test_lbfgs_trains_on_the_whole_training_set_and_counts_its_line_search():
    task = Rows(batch=8)
    stage = training("lbfgs", task, updates=6, learning_rate=1.0)
    rows, _ = run(stage)
    assert len(task.training_batch(None).target) == task.training_samples == 1077
    for row in rows:
        first, last = row["train_losses"]
        assert last < first
        assert row["curve_gradients"][-1] >= 2 * 6


# What a run is made of.


def test_a_batch_of_lbfgs_is_the_whole_training_set():
    config = configure({"optimizer": ("lbfgs", "adam"), "seeds": 1})
    labels = [part.make(part.runs).labels[0] for part in parts(config)]
    assert [one["batch"] for one in labels] == [1077, 64]
    assert [one["epoch"] for one in labels] == [1, 1077 / 64]
    assert labels[0]["clip"] is None and labels[1]["clip"] == 1


def test_cures_differ_from_the_first_cell_and_optimizer_in_one_of_them():
    config = configure({"study": "cures", "lengths": (20,)})
    pairs = {(point.shape[2], point.optimizer) for point in points(config)}
    assert pairs == {
        ("rnn_tanh", "adam"),
        ("rnn_tanh", "hessian_free"),
        ("irnn", "adam"),
        ("lstm", "adam"),
    }


def test_initializers_start_what_they_can():
    def started(initializer, cell="gru", **given):
        config = configure(
            {"study": "initializers", "initializer": (initializer,), "cell": (cell,)}
            | given
        )
        (point,) = points(config)
        return point.network.cell, point.shape

    own = registry.CELLS["gru"](hidden_size=1)
    cell, shape = started("he_normal", activation=("relu",))
    assert cell.recurrent_init == cell.kernel_init != own.kernel_init
    assert cell.activation is jax.nn.relu and shape[3] == "relu"
    cell, shape = started("identity")
    assert cell.recurrent_init != own.recurrent_init
    assert cell.kernel_init == own.kernel_init and shape[3] == "tanh"
    assert started("own", "rnn_relu")[1][3:5] == ("relu", "own")


def test_as_published_all_orders_are_run():
    config = configure({"protocol": "as_published", "seeds": 2})
    made = parts(config)
    assert [part.shape[-2 + 1] for part in made][:1] == ["adagrad+plain_sgd+adam"]
    assert len(made) == 6 and {len(part.runs) for part in made} == {2}
    stages = made[0].make(made[0].runs).stages
    assert [stage.optimizer for stage in stages] == ["adagrad", "plain_sgd", "adam"]
    assert {stage.updates for stage in stages} == {round(30 * 1077 / 64)}


def test_trials_and_seeds_are_lanes_of_one_group():
    config = configure({"optimizer": ("adam", "lion"), "seeds": 3})
    adam, lion = parts(config)
    assert (len(adam.runs), len(lion.runs)) == (15, 18)
    group = adam.group([0, 7])
    assert group.seeds == (0, 1) and group.experiment.labels[1]["trial"] == 2
    rates = [one.learning_rate for one in group.experiment.stages[0].hyperparameters]
    assert rates == [1e-3, 1e-4]
    assert len(parts(config, processes=4)) == 4
