"""Every registered cell: its equations, the contract of a cell, and its options."""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from cell_inputs import CELLS, H, I, T, bound, cast, inputs, perturbed, random_carry
from conftest import flat
from flax import linen as nn

from rnnjax.cells import cell as cell_lib
from rnnjax.cells import registry
from rnnjax.cells.activations import ACTIVATIONS
from rnnjax.engine import unroll

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(params=registry.CELLS)
def name(request):
    return request.param


@pytest.fixture
def cell(name):
    return registry.CELLS[name](hidden_size=H)


def test_every_cell_has_an_oracle():
    for name in registry.CELLS:
        oracles.get(name)


def test_every_oracle_is_of_a_cell():
    assert oracles.CELLS.keys() <= registry.CELLS.keys()


def test_a_cell_without_an_oracle_is_named():
    with pytest.raises(LookupError, match="the cell 'unheard_of' has no oracle"):
        oracles.get("unheard_of")


def test_equals_its_oracle(name, cell, x64):
    variables = cast(perturbed(cell), np.float64)
    carry = cast(random_carry(cell), np.float64)
    expected_carry, p = [np.asarray(leaf) for leaf in carry], flat(variables)
    for x in np.asarray(inputs(), np.float64):
        carry, y = cell.apply(variables, carry, jnp.asarray(x))
        expected_carry, expected = oracles.get(name).step(p, expected_carry, x)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)
        for leaf, expected_leaf in zip(carry, expected_carry, strict=True):
            np.testing.assert_allclose(leaf, expected_leaf, rtol=1e-12, atol=1e-14)


def test_call_is_project_then_step(cell):
    variables, carry, x = perturbed(cell), random_carry(cell), inputs()[0]
    z = cell.apply(variables, x, method="project")
    jax.tree.map(
        np.testing.assert_array_equal,
        cell.apply(variables, carry, x),
        bound(cell, variables)(carry, z),
    )


def test_projects_a_sequence_in_one_product(cell):
    variables, x = perturbed(cell), inputs()
    whole = cell.apply(variables, x, method="project")
    singly = [cell.apply(variables, row, method="project") for row in x]
    together = jax.tree.map(lambda *rows: jnp.stack(rows), *singly)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
        whole,
        together,
    )


def test_scan_equals_a_loop(cell):
    variables, carry = perturbed(cell), random_carry(cell)
    z = cell.apply(variables, inputs(), method="project")
    last, ys = unroll.unroll(bound(cell, variables), carry, z)
    for t in range(T):
        row = jax.tree.map(operator.itemgetter(t), z)
        carry, y = bound(cell, variables)(carry, row)
        np.testing.assert_allclose(ys[t], y, rtol=1e-4, atol=1e-5)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), last, carry
    )


def test_vmapped_equals_single(cell):
    variables = perturbed(cell)
    carries = [random_carry(cell, key) for key in range(4)]
    x = inputs()[0]
    together = jax.vmap(lambda c: cell.apply(variables, c, x))(
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *carries)
    )
    for k, carry in enumerate(carries):
        single = cell.apply(variables, carry, x)
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
            jax.tree.map(operator.itemgetter(k), together),
            single,
        )


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_state_keeps_shape_and_dtype(cell, dtype):
    variables = cast(perturbed(cell), dtype)
    carry = cast(cell.initial_carry(), dtype)
    after, y = cell.apply(variables, carry, inputs()[0].astype(dtype))
    assert y.shape == (H,) and y.dtype == dtype
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), carry
    )


# A loop of each kind: one that is compiled as straight code, and one that is not.
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("batch, steps", [((3,), 4), ((), unroll.MAX_WRITTEN_OUT + 1)])
def test_gradients_are_those_of_a_loop_and_reach_every_parameter(
    cell, batch, steps, x64
):
    variables, carry = cast((perturbed(cell), random_carry(cell)), jnp.float64)
    carry = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (*batch, *leaf.shape)), carry
    )
    x = jax.random.normal(jax.random.key(9), (steps, *batch, I), jnp.float64)

    @jax.jit
    def unrolled(variables, carry, z):
        return unroll.unroll(bound(cell, variables), carry, z)

    @jax.jit
    def step(variables, carry, row):
        return bound(cell, variables)(carry, row)

    def looped(variables, carry, z):
        outputs = []
        for t in range(steps):
            row = jax.tree.map(operator.itemgetter(t), z)
            carry, y = step(variables, carry, row)
            outputs.append(y)
        return carry, jnp.stack(outputs)

    def loss(run, variables, carry):
        carry, ys = run(variables, carry, cell.apply(variables, x, method="project"))
        return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves((carry, ys)))

    ours, theirs = (
        jax.grad(functools.partial(loss, run), (0, 1))(variables, carry)
        for run in (unrolled, looped)
    )
    for path, gradient in flat(ours[0]).items():
        assert np.isfinite(gradient).all() and np.any(gradient != 0), path
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12),
        ours,
        theirs,
    )


def test_step_parameters_do_not_depend_on_the_input_size(cell):
    shapes = []
    for input_size in (2, 3):
        variables = cell_lib.initialize(cell, jax.random.key(0), input_size)
        to_project, to_step = cell_lib.split_parameters(cell, variables, input_size)
        shapes.append(jax.tree.map(jnp.shape, to_step))
        z = cell.apply(to_project, jnp.ones(input_size), method="project")
        jax.tree.map(
            np.testing.assert_array_equal,
            cell.apply(to_step, cell.initial_carry(), z, method="step"),
            cell.apply(variables, cell.initial_carry(), jnp.ones(input_size)),
        )
    assert shapes[0] == shapes[1]


def test_works_as_a_flax_cell(cell):
    layer = nn.RNN(cell)
    x = jax.random.normal(jax.random.key(0), (2, T, I))
    y, _ = layer.init_with_output(jax.random.key(1), x)
    assert y.shape == (2, T, H)


# The memory that a keep bias keeps, if it is not the last array of the state.
MEMORY = {
    "lem": lambda carry: jnp.stack(carry),  # both states have a gate
    "lstm_fgr": lambda carry: carry[1],
    "slstm": lambda carry: carry[1] / carry[2],
}


@pytest.mark.parametrize(
    "name", [name for name in registry.CELLS if "keep_bias" in registry.options(name)]
)
def test_keep_bias_keeps_the_state(name):
    kept = []
    memory = MEMORY.get(name, lambda carry: carry[-1])
    for bias in (-4.0, 4.0):
        cell = registry.CELLS[name](hidden_size=H, keep_bias=bias)
        variables = cell_lib.initialize(cell, jax.random.key(0), I)
        carry = jax.tree.map(jnp.ones_like, cell.initial_carry())
        after, _ = cell.apply(variables, carry, jnp.zeros(I))
        kept.append(float(jnp.abs(memory(after) - memory(carry)).mean()))
    assert 2 * kept[1] < kept[0]


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("sizes", [(3, 5), (5, 5)])
def test_parameters_are_those_of_the_formula(name, sizes, learned):
    input_size, units = sizes
    cell = registry.CELLS[name](hidden_size=units, learn_carry=learned)
    variables = cell_lib.initialize(cell, jax.random.key(0), input_size)
    oracle = oracles.get(name)
    expected = oracle.parameters(input_size, units)
    expected += learned * oracle.state_arrays * units
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == expected


@pytest.mark.parametrize("name", CELLS)
def test_a_learned_state_starts_at_zero_and_has_a_gradient(name):
    cell = registry.CELLS[name](hidden_size=H, learn_carry=True)
    variables = perturbed(cell)
    z = cell.apply(variables, inputs(), method="project")

    def loss(variables):
        carry = cell.apply(variables, method="initial_carry")
        return jnp.sum(unroll.unroll(bound(cell, variables), carry, z)[1] ** 2)

    if name == "slstm":  # a random normalizer may be negative
        variables = cell_lib.initialize(cell, jax.random.key(0), I)
    gradients = jax.jit(jax.grad(loss))(variables)["params"]
    learned = [key for key in gradients if key.startswith("carry")]
    assert len(learned) == oracles.get(name).state_arrays
    assert any(
        np.any(leaf != 0) for key in learned for leaf in jax.tree.leaves(gradients[key])
    )
    fresh = cell_lib.initialize(cell, jax.random.key(0), I)
    assert not any(
        np.any(leaf)
        for leaf in jax.tree.leaves(cell.apply(fresh, method="initial_carry"))
    )


def lowered(name, platform):
    cell = registry.CELLS[name](hidden_size=H)
    variables = cell_lib.initialize(cell, jax.random.key(0), I)

    def run(variables, x):
        z = cell.apply(variables, x, method="project")
        return unroll.unroll(bound(cell, variables), cell.initial_carry(), z)

    many = jnp.tile(inputs(), (unroll.MAX_WRITTEN_OUT, 1))
    return (
        jax.jit(run)
        .trace(variables, many)
        .lower(lowering_platforms=(platform,))
        .as_text()
    )


def test_lowers_for_tpu(name):
    assert "while" in lowered(name, "tpu")


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["cpu", "cuda"])
def test_lowers_for(name, platform):
    assert "while" in lowered(name, platform)


def test_options_are_the_fields_that_the_registry_does_not_fix():
    assert registry.options("irnn") == {"kernel_gain", "recurrent_gain", "learn_carry"}
    assert registry.options("rnn_tanh") == {
        "kernel_init",
        "kernel_gain",
        "recurrent_init",
        "recurrent_gain",
        "learn_carry",
    }
    assert "depth" in registry.options("nested_lstm")
    assert {"keep_bias", "activation", "gate_activation"} < registry.options("lstm")


def test_every_option_has_a_meaning(name):
    nameless = registry.options(name) - registry.OPTIONS.keys()
    assert not nameless, f"add {nameless} of {name} to OPTIONS in cells/registry.py"


def test_every_meaning_is_of_an_option_of_some_cell():
    used = frozenset().union(*map(registry.options, registry.CELLS))
    assert registry.OPTIONS.keys() == used
    assert registry.NAMED_OPTIONS.keys() <= used
    assert used >= registry.TRACED_OPTIONS


def test_traced_options_can_be_traced(name, cell):
    options = sorted(registry.TRACED_OPTIONS & registry.options(name))

    def weights(*values):
        other = cell.with_options(**dict(zip(options, values)))
        return cell_lib.initialize(other, jax.random.key(0), I)

    values = [0.5] * len(options)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-6),
        jax.jit(weights)(*values),
        weights(*values),
    )


def test_values_of_options_are_named():
    values = registry.option_values(registry.CELLS["irnn"](hidden_size=H))
    assert values == {
        "kernel_init": "small_normal",
        "kernel_gain": 1.0,
        "recurrent_init": "identity",
        "recurrent_gain": 1.0,
        "learn_carry": False,
        "activation": "relu",
    }
    values = registry.option_values(registry.CELLS["min_gru"](hidden_size=H))
    assert values["recurrent_init"] is None
    assert values["activation"] == "identity"


def test_every_initializer_and_activation_is_found_by_its_name():
    for table in registry.NAMED_OPTIONS.values():
        for name, value in table.items():
            assert registry.name_of(table, value) == name
    assert registry.name_of(ACTIVATIONS, jnp.sin) is None
