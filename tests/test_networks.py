"""Stacks, read-outs, and counting parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import published
import pytest
from cell_inputs import KINDS, cast
from conftest import flat

from rnnjax import networks
from rnnjax.cells import cell as cell_lib
from rnnjax.cells import registry
from rnnjax.engine import unroll
from rnnjax.memory_stability import experiment as stability

I, H, T = 3, 4, 6

pytestmark = pytest.mark.usefixtures("quick_compilation")


def make(name, layers, hidden_size=H, **options):
    return networks.build(registry.CELLS[name], hidden_size, layers, **options)


@pytest.mark.parametrize("name", KINDS)
def test_a_stack_feeds_each_layer_the_outputs_of_the_one_below(name, x64):
    cell = make(name, 3)
    variables = cast(cell_lib.initialize(cell, jax.random.key(0), I), np.float64)
    x = jax.random.normal(jax.random.key(1), (T, I), np.float64)
    z = cell.apply(variables, x, method="project")
    carry = cast(cell.apply(variables, method="initial_carry"), np.float64)
    _, y = unroll.unroll(
        lambda c, row: cell.apply(variables, c, row, method="step"), carry, z
    )
    oracle = oracles.get(name)
    layers = [flat({"params": variables["params"][f"layers_{k}"]}) for k in range(3)]
    states = [[np.asarray(leaf) for leaf in layer] for layer in carry]
    for t in range(T):
        signal = np.asarray(x[t])
        for k in range(3):
            states[k], signal = oracle.step(layers[k], states[k], signal)
        np.testing.assert_allclose(y[t], signal, rtol=1e-9, atol=1e-12)


def test_one_layer_is_the_cell_itself():
    assert make("gru", 1) == registry.CELLS["gru"](hidden_size=H)
    assert networks.layer_count(make("gru", 2)) == 2
    assert networks.layer_count(make("gru", 1)) == 1


@pytest.mark.parametrize("case", published.AUTOCOMPLETE, ids=lambda case: case[0])
def test_the_published_autocomplete_models_have_the_published_counts(case):
    name, layers, units, embedding, recurrent, dense = case
    cell = make(name, layers, units)
    assert networks.parameter_count(cell, units) == recurrent
    network = networks.Network(cell, embedding=(27, units), outputs=16386)
    assert networks.parameter_count(network) == embedding + recurrent + dense


def test_reading_out_and_embedding():
    network = networks.Network(make("gru", 1), embedding=(5, 7), outputs=2)
    variables = networks.initialize(network, jax.random.key(0))
    p = flat(variables, np.float32)
    carry, y = network.apply(
        variables, network.apply(variables, method="initial_carry"), jnp.int32(3)
    )
    expected = network.cell.apply(
        {"params": variables["params"]["cell"]},
        carry=(jnp.zeros(H),),
        x=p["embed/embedding"][3],
    )[1]
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    read = network.apply(variables, y, method="read")
    np.testing.assert_allclose(
        read, y @ p["readout/kernel"] + p["readout/bias"], rtol=1e-5
    )


@pytest.mark.parametrize("name", registry.CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_the_most_units_under_a_budget(name, layers):
    def network(units):
        return networks.Network(make(name, layers, units, learn_carry=True), outputs=1)

    units = networks.largest_hidden_size(network, 700, 5)
    assert (
        networks.parameter_count(network(units), 5)
        <= 700
        < networks.parameter_count(network(units + 1), 5)
    )


def test_a_budget_below_one_unit_is_refused():
    with pytest.raises(
        ValueError,
        match="budget of 10 parameters is too small for one unit, which takes 24",
    ):
        networks.largest_hidden_size(lambda units: make("lstm", 1, units), 10, 4)


def test_a_budget_that_any_number_of_units_fits_is_refused():
    with pytest.raises(ValueError, match="it has 5 parameters, however many units it"):
        networks.largest_hidden_size(lambda units: make("delay_line", 1, units), 10, 4)


def test_deep_networks_can_be_measured():
    for row in stability.measure(
        make("lstm", 2), 2, steps=1700, unique_steps=300, seeds=2
    ):
        assert row["layers"] == 2
        assert row["status"] == "merged"


def test_two_layers_of_an_intersection_rnn_differ_from_one():
    rows = [
        stability.measure(
            make("intersection_rnn", n), 4, steps=1700, unique_steps=300, seeds=3
        )
        for n in (1, 2)
    ]
    assert [row["first_1e-4"] for row in rows[0]] != [
        row["first_1e-4"] for row in rows[1]
    ]


@pytest.mark.parametrize("blank_steps", [0, 3])
def test_layer_by_layer_equals_step_by_step(blank_steps, x64):
    network = networks.Network(make("lstm", 2, learn_carry=True), outputs=2)
    variables = cast(networks.initialize(network, jax.random.key(0), I), np.float64)
    x = jax.random.normal(jax.random.key(1), (T, 5, I), np.float64)
    z = network.apply(variables, x, method="project")
    blank = network.apply(variables, jnp.zeros(I), method="project")
    y = networks.unroll_layers(network, variables, z, blank, blank_steps)
    assert y.shape == (T + blank_steps, 5, H)
    for b in range(5):
        carry = network.apply(variables, method="initial_carry")
        for t in range(T + blank_steps):
            seen = x[t, b] if t < T else jnp.zeros(I)
            carry, expected = network.apply(variables, carry, seen)
            np.testing.assert_allclose(y[t, b], expected, rtol=1e-12)


def test_options_of_a_network_reach_its_cells_and_its_read_out():
    network = networks.Network(make("lstm", 2), outputs=2)
    other = network.with_options(readout_gain=0.5, keep_bias=3.0)
    assert [layer.keep_bias for layer in other.layers] == [3.0, 3.0]
    plain, half = (
        networks.initialize(n, jax.random.key(0), I) for n in (network, other)
    )
    np.testing.assert_array_equal(
        0.5 * networks.readout(plain)[0], networks.readout(half)[0]
    )
    assert other.with_options(keep_bias=1.0).readout_gain == 0.5
