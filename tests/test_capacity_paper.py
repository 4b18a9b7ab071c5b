"""The publication's training: learned initial states, 0/1 inputs, what failed."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import capacity
from benchmarks.common import terminal
from rnnjax import networks
from rnnjax.capacity import points, search, study
from rnnjax.capacity.config import configure
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.results import rows as rows_lib
from rnnjax.tasks.parameters import Parameters
from rnnjax.tasks.registry import TASKS
from rnnjax.tasks.units import Units
from rnnjax.training import method, trained

pytestmark = pytest.mark.usefixtures("quick_compilation")

BITS = Parameters(inputs=6, input_values="bits")


def test_bits_are_independent_draws():
    """Rows repeat, as draws do; labels and padding are those of signs."""
    signs = Parameters(inputs=6).with_padding(4096)
    batch, other = (
        task.make_data(jax.random.key(0), 4000)
        for task in (BITS.with_padding(4096), signs)
    )
    x = np.asarray(batch.x[0])
    assert set(x.ravel().tolist()) == {0.0, 1.0}
    assert abs(x.mean() - 0.5) < 4 * 0.5 / math.sqrt(x.size)
    counts = np.unique(x @ 2.0 ** np.arange(6), return_counts=True)[1]
    assert len(counts) == 64
    # Chi-squared with 63 degrees of freedom: 105 at one in a thousand.
    assert np.sum((counts - 64) ** 2 / 64) < 105
    assert abs(np.corrcoef(x.T) - np.eye(6)).max() < 4 / math.sqrt(len(x))
    np.testing.assert_array_equal(batch.target, other.target)
    np.testing.assert_array_equal(batch.weight, other.weight)
    probe = np.asarray(BITS.probe_inputs(jax.random.key(0), 50))
    shown = probe.reshape(10, 5, 6)
    assert set(probe.ravel().tolist()) == {0.0, 1.0}
    assert shown[:, 0].any() and not shown[:, 1:].any()


@pytest.mark.parametrize("steps", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_the_gradient_of_a_learned_initial_state(x64, steps):
    """Central differences through a GRU, its blank steps and the read-out."""
    task = Parameters(inputs=2, steps=steps, padded_samples=4)
    network = networks.Network(
        registry.CELLS["gru"](hidden_size=2, learn_carry=True), outputs=1
    )
    variables = networks.initialize(network, jax.random.key(1), 2)
    variables = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), variables)
    data = task.make_data(jax.random.key(0), 4)
    data = type(data)(*(leaf.astype(jnp.float64) for leaf in data))
    flat, unflatten = jax.flatten_util.ravel_pytree(variables)

    @jax.jit
    def loss(flat):
        outputs = method.forward(network, unflatten(flat), task, data.x)
        return task.loss(outputs, data)

    gradient = np.asarray(jax.jit(jax.grad(loss))(flat))
    step = 1e-6 * np.eye(len(flat))
    differences = [float(loss(flat + h) - loss(flat - h)) / 2e-6 for h in step]
    np.testing.assert_allclose(gradient, differences, atol=1e-8)
    carry = unflatten(gradient)["params"]["cell"]["carry_0"]["value"]
    assert np.all(np.asarray(carry) != 0)


def test_a_budget_counts_the_learned_initial_state():
    """n units of an RNN: 4 n + n n + n weights, n + 1 of the read-out, n of h."""
    options = {"cell": ("rnn_tanh",), "inputs": 4, "budgets": (42,)}
    for learned, units, parameters in ((False, 4, 41), (True, 3, 31)):
        (point,) = points.points(configure({**options, "learn_carry": learned}))
        assert point.network.hidden_size == units
        assert point.labels["parameters"] == parameters


def test_the_preset_of_the_publication_trains_as_it_did():
    task = {name: configure({"task": name, "preset": "paper"}) for name in TASKS}
    assert all(config.learn_carry for config in task.values())
    assert task["parameters"].task.input_values == "bits"
    assert task["parentheses"].task.overflow == "clip"
    quick = configure({"task": "parentheses"})
    assert (quick.learn_carry, quick.task.overflow) == (False, "reflect")


def test_a_training_fails_that_diverges_or_learns_nothing():
    """At a rate of 1e-12 nothing changes, and at 1e30 a number is not finite."""
    rates = (1e-2, 1e-12, 1e30)
    trials = [
        search.Trial(0, "rung0", k, 0, k, 250, "adam", {"learning_rate": rate})
        for k, rate in enumerate(rates)
    ]
    task, make = Units(size=4, delay=1), registry.CELLS["rnn_tanh"]
    network = points.largest_network(make, task, 60)
    labels = points.labels(network, task, "rnn_tanh", 60)
    point = points.Point(network, task, {}, labels)
    (group,) = study.groups(point, trials, task, 3)
    rows = lanes.run_group(group, Mesh.local()).rows
    assert [row["status"] for row in rows] == ["trained", "trained", "diverged"]
    assert [row["failed"] for row in rows] == [False, True, True]
    assert rows[0]["loss"] < 1 <= rows[1]["loss"]
    assert [row["score"] is None for row in rows] == [False, False, True]


def test_networks_with_learned_states_are_saved_and_built_again(
    command, monkeypatch, tmp_path
):
    monkeypatch.setattr(terminal, "LOG_SECONDS", math.inf)
    binary = functools.partial(command, capacity)
    tiny = "--task=units --hidden_sizes=2 --size=4 --delay=1 --batch=8 --updates=250"
    tiny += " --trials=1 --rungs=1 --seeds=2 --cell=lstm --learn_carry --out_dir=run"
    status, _, err = binary(*tiny.split())
    assert status == 0, err
    rows = rows_lib.read_rows(tmp_path / "run")
    found = trained.find("run", None)
    assert len(found) == 2
    for network in found:
        leaves = jax.tree.leaves(network.load())
        assert sum(leaf.size for leaf in leaves) == rows[0]["parameters"]
        carry = network.load()["params"]["cell"]
        assert all(np.any(carry[f"carry_{k}"]["value"] != 0) for k in (0, 1))
    status, _, err = binary(*tiny.replace("--learn_carry", "").split())
    assert status == 2
    assert "it holds a run with learn_carry=True, not False" in err
