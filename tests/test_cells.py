"""Every registered cell: equations, contract, and what the table promises."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from conftest import flat
from flax import linen as nn

from rnnjax import unroll
from rnnjax.cells import cell as cell_lib
from rnnjax.cells import registry

I, H, T = 3, 5, 7


def perturbed(cell, key=0):
    """Variables with every number random, so that a bias that starts at 0 shows."""
    variables = cell.init(jax.random.key(key), cell.initial_carry(), jnp.zeros(I))
    leaves, tree = jax.tree.flatten(variables)
    keys = jax.random.split(jax.random.key(key + 1), len(leaves))
    return tree.unflatten([x + 0.5 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)])


@pytest.fixture(params=registry.CELLS)
def name(request):
    return request.param


@pytest.fixture
def cell(name):
    return registry.CELLS[name](hidden_size=H)


def random_carry(cell, key=7):
    leaves, tree = jax.tree.flatten(cell.initial_carry())
    keys = jax.random.split(jax.random.key(key), len(leaves))
    return tree.unflatten([jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)])


def inputs():
    return jax.random.normal(jax.random.key(3), (T, I))


def bound(cell, variables):
    return functools.partial(cell.apply, variables, method="step")


def test_every_cell_has_an_oracle():
    assert oracles.CELLS.keys() == registry.CELLS.keys()


def test_equals_its_oracle(name, cell, x64):
    variables = jax.tree.map(lambda leaf: leaf.astype(np.float64), perturbed(cell))
    carry = jax.tree.map(lambda leaf: leaf.astype(np.float64), random_carry(cell))
    expected_carry, p = [np.asarray(leaf) for leaf in carry], flat(variables)
    for x in np.asarray(inputs(), np.float64):
        carry, y = cell.apply(variables, carry, jnp.asarray(x))
        expected_carry, expected = oracles.CELLS[name](p, expected_carry, x)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)
        for leaf, expected_leaf in zip(carry, expected_carry, strict=True):
            np.testing.assert_allclose(leaf, expected_leaf, rtol=1e-12, atol=1e-14)


def test_call_is_project_then_step(cell):
    variables, carry, x = perturbed(cell), random_carry(cell), inputs()[0]
    z = cell.apply(variables, x, method="project")
    jax.tree.map(np.testing.assert_array_equal, cell.apply(variables, carry, x), bound(cell, variables)(carry, z))


def test_projects_a_sequence_in_one_product(cell):
    variables, x = perturbed(cell), inputs()
    whole = cell.apply(variables, x, method="project")
    singly = jnp.stack([cell.apply(variables, row, method="project") for row in x])
    np.testing.assert_allclose(whole, singly, rtol=1e-5, atol=1e-6)


def test_scan_equals_a_loop(cell):
    variables, carry = perturbed(cell), random_carry(cell)
    z = cell.apply(variables, inputs(), method="project")
    last, ys = unroll.unroll(bound(cell, variables), carry, z)
    for t in range(T):
        carry, y = bound(cell, variables)(carry, z[t])
        np.testing.assert_allclose(ys[t], y, rtol=1e-4, atol=1e-5)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), last, carry)


def test_vmapped_equals_single(cell):
    variables = perturbed(cell)
    carries = [random_carry(cell, key) for key in range(4)]
    x = inputs()[0]
    together = jax.vmap(lambda c: cell.apply(variables, c, x))(jax.tree.map(lambda *leaves: jnp.stack(leaves), *carries))
    for k, carry in enumerate(carries):
        single = cell.apply(variables, carry, x)
        mine = jax.tree.map(lambda leaf: leaf[k], together)  # noqa: B023
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), mine, single)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_state_keeps_shape_and_dtype(cell, dtype):
    variables = jax.tree.map(lambda leaf: leaf.astype(dtype), perturbed(cell))
    carry = jax.tree.map(lambda leaf: leaf.astype(dtype), cell.initial_carry())
    after, y = cell.apply(variables, carry, inputs()[0].astype(dtype))
    assert y.shape == (H,) and y.dtype == dtype
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), carry)


def test_gradients_are_finite_and_reach_every_parameter(cell):
    variables = perturbed(cell)

    def loss(variables):
        z = cell.apply(variables, inputs(), method="project")
        return jnp.sum(unroll.unroll(bound(cell, variables), random_carry(cell), z)[1] ** 2)

    for path, gradient in flat(jax.grad(loss)(variables)).items():
        assert np.isfinite(gradient).all() and np.any(gradient != 0), path


def test_step_parameters_do_not_depend_on_the_input_size(cell):
    shapes = []
    for input_size in (2, 3):
        variables = cell.init(jax.random.key(0), cell.initial_carry(), jnp.zeros(input_size))
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


@pytest.mark.parametrize("name", [name for name in registry.CELLS if "keep_bias" in registry.options(name)])
def test_keep_bias_keeps_the_state(name):
    kept = []
    for bias in (-4.0, 4.0):
        cell = registry.CELLS[name](hidden_size=H, keep_bias=bias)
        variables = cell.init(jax.random.key(0), cell.initial_carry(), jnp.zeros(I))
        carry = jax.tree.map(jnp.ones_like, cell.initial_carry())
        after, _ = cell.apply(variables, carry, jnp.zeros(I))
        kept.append(float(jnp.abs(after[-1] - carry[-1]).mean()))
    assert kept[1] < 0.2 < kept[0]


@pytest.mark.parametrize("kind", ["lstm", "gru_flax"])
def test_equals_linen(kind):
    cell = registry.CELLS[kind](hidden_size=H)
    p = flat(perturbed(cell), np.float32)
    gates = dict(zip("ifgo" if kind == "lstm" else "zrn", range(4)))
    n = len(gates)
    wi, b, wh = (np.split(p[key], n, axis=-1) for key in ("input/kernel", "input/bias", "recurrent/kernel/0"))
    theirs = {}
    for gate, k in gates.items():
        theirs[f"i{gate}"] = {"kernel": wi[k]} | ({"bias": b[k]} if kind != "lstm" else {})
        theirs[f"h{gate}"] = {"kernel": wh[k]} | ({"bias": b[k]} if kind == "lstm" else {})
    if kind == "gru_flax":
        theirs["hn"]["bias"] = p["candidate_bias/bias"]
    carry = random_carry(cell)
    x = inputs()[0]
    ours, y = cell.apply({"params": _tree(cell, p)}, carry, x)
    if kind == "lstm":
        (c, h), expected = nn.LSTMCell(H).apply({"params": theirs}, (carry[1], carry[0]), x)
        np.testing.assert_allclose(ours[1], c, rtol=1e-5, atol=1e-6)
    else:
        _, expected = nn.GRUCell(H).apply({"params": theirs}, carry[0], x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def _tree(cell, by_path):
    variables = cell.init(jax.random.key(0), cell.initial_carry(), jnp.zeros(I))
    leaves, tree = jax.tree_util.tree_flatten_with_path(variables["params"])
    paths = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    return tree.unflatten([by_path[path] for path in paths])


def test_options_are_what_the_cell_leaves_open():
    assert registry.options("irnn") == {"recurrent_gain"}
    assert registry.options("rnn_tanh") == {"kernel_init", "recurrent_init", "recurrent_gain"}
    assert {"keep_bias", "activation", "gate_activation"} < registry.options("lstm")
