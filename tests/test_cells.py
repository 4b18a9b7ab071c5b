"""Every registered cell: equations, contract, and what the table promises."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from conftest import flat
from flax import linen as nn

from rnnjax.cells import cell as cell_lib
from rnnjax.cells import registry
from rnnjax.engine import unroll

I, H, T = 3, 5, 7


def perturbed(cell, key=0):
    """Variables with every number random, so that a bias that starts at 0 shows."""
    variables = cell_lib.initialize(cell, jax.random.key(key), I)
    leaves, tree = jax.tree.flatten(variables)
    keys = jax.random.split(jax.random.key(key + 1), len(leaves))
    return tree.unflatten(
        [x + 0.5 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)]
    )


@pytest.fixture(params=registry.CELLS)
def name(request):
    return request.param


@pytest.fixture
def cell(name):
    return registry.CELLS[name](hidden_size=H)


def random_carry(cell, key=7):
    """A state that the cell reaches within three steps, shaken: no number in it is special."""
    variables = perturbed(cell, key)
    carry = cell.initial_carry()
    for x in jax.random.normal(jax.random.key(key), (3, I)):
        carry, _ = cell.apply(variables, carry, x)
    return carry


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
        carry, y = bound(cell, variables)(carry, jax.tree.map(lambda leaf: leaf[t], z))  # noqa: B023
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
        mine = jax.tree.map(lambda leaf: leaf[k], together)  # noqa: B023
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
            mine,
            single,
        )


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_state_keeps_shape_and_dtype(cell, dtype):
    variables = jax.tree.map(lambda leaf: leaf.astype(dtype), perturbed(cell))
    carry = jax.tree.map(lambda leaf: leaf.astype(dtype), cell.initial_carry())
    after, y = cell.apply(variables, carry, inputs()[0].astype(dtype))
    assert y.shape == (H,) and y.dtype == dtype
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), carry
    )


def test_gradients_are_finite_and_reach_every_parameter(cell):
    variables = perturbed(cell)

    def loss(variables):
        z = cell.apply(variables, inputs(), method="project")
        return jnp.sum(
            unroll.unroll(bound(cell, variables), random_carry(cell), z)[1] ** 2
        )

    for path, gradient in flat(jax.grad(loss)(variables)).items():
        assert np.isfinite(gradient).all() and np.any(gradient != 0), path


@pytest.mark.parametrize("batch", [(), (3,)])
def test_gradients_are_those_of_a_loop(cell, batch, x64):
    wide = functools.partial(jax.tree.map, lambda leaf: leaf.astype(jnp.float64))
    variables, carry = wide(perturbed(cell)), wide(random_carry(cell))
    carry = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (*batch, *leaf.shape)), carry
    )
    x = jax.random.normal(jax.random.key(9), (T, *batch, I), jnp.float64)

    def unrolled(variables, carry, z):
        return unroll.unroll(bound(cell, variables), carry, z)

    def looped(variables, carry, z):
        outputs = []
        for t in range(T):
            carry, y = bound(cell, variables)(
                carry, jax.tree.map(lambda leaf: leaf[t], z)
            )  # noqa: B023
            outputs.append(y)
        return carry, jnp.stack(outputs)

    def loss(run, variables, carry):
        carry, ys = run(variables, carry, cell.apply(variables, x, method="project"))
        return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves((carry, ys)))

    ours, theirs = (
        jax.grad(functools.partial(loss, run), (0, 1))(variables, carry)
        for run in (unrolled, looped)
    )
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


# Where the memory is that a keep bias keeps, if it is not the last array of the state.
MEMORY = {
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
    expected = (
        oracles.PARAMETERS[name](input_size, units)
        + learned * oracles.STATES[name] * units
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == expected


def test_a_learned_state_starts_at_zero_and_has_a_gradient(name):
    cell = registry.CELLS[name](hidden_size=H, learn_carry=True)
    variables = perturbed(cell)
    z = cell.apply(variables, inputs(), method="project")

    def loss(variables):
        carry = cell.apply(variables, method="initial_carry")
        return jnp.sum(unroll.unroll(bound(cell, variables), carry, z)[1] ** 2)

    if name == "slstm":  # a random normaliser may be negative
        variables = cell_lib.initialize(cell, jax.random.key(0), I)
    gradients = jax.grad(loss)(variables)["params"]
    assert sum(key.startswith("carry") for key in gradients) == oracles.STATES[name]
    assert any(
        np.any(leaf != 0)
        for key in gradients
        if key.startswith("carry")
        for leaf in jax.tree.leaves(gradients[key])
    )
    fresh = cell_lib.initialize(cell, jax.random.key(0), I)
    assert not any(
        np.any(leaf)
        for leaf in jax.tree.leaves(cell.apply(fresh, method="initial_carry"))
    )


@pytest.mark.parametrize(
    "name", [name for name in registry.CELLS if name in ("min_gru", "min_lstm", "lru")]
)
def test_parallel_equals_sequential(name, x64):
    cell = registry.CELLS[name](hidden_size=H)
    cast = lambda tree: jax.tree.map(lambda leaf: leaf.astype(np.float64), tree)  # noqa: E731
    variables, carry = cast(perturbed(cell)), cast(random_carry(cell))
    z = cell.apply(variables, inputs().astype(np.float64), method="project")
    expected_carry, expected = unroll.unroll(bound(cell, variables), carry, z)
    last, y = cell.apply(variables, carry, z, method="parallel")
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-12), last, expected_carry
    )


def test_lstm_np_and_a_nested_lstm_of_depth_one_are_the_lstm():
    lstm = registry.CELLS["lstm"](hidden_size=H)
    theirs = perturbed(lstm)["params"]
    carry, x = random_carry(lstm), inputs()[0]
    expected = lstm.apply({"params": theirs}, carry, x)
    nested = {"input": theirs["input"], "recurrent_0": theirs["recurrent"]}
    peephole = _reorder(theirs, [0, 1, 3, 2])
    for cell, variables in (
        (registry.CELLS["nested_lstm"](hidden_size=H, depth=1), nested),
        (registry.CELLS["lstm_np"](hidden_size=H), peephole),
    ):
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-6),
            cell.apply({"params": variables}, carry, x),
            expected,
        )


def _reorder(parameters, order):
    return jax.tree.map(
        lambda leaf: jnp.concatenate(
            [jnp.split(leaf, 4, axis=-1)[k] for k in order], axis=-1
        ),
        parameters,
    )


@pytest.mark.parametrize("depth", [1, 3])
def test_nested_lstms_have_any_depth(depth):
    cell = registry.CELLS["nested_lstm"](hidden_size=H, depth=depth)
    carry, y = cell.apply(perturbed(cell), random_carry(cell), inputs()[0])
    assert len(carry) == 1 + depth
    assert y.shape == (H,)


def test_scaling_numerator_and_denominator_of_an_slstm_is_a_gauge():
    cell = registry.CELLS["slstm"](hidden_size=H)
    variables, (h, c, n, m) = perturbed(cell), random_carry(cell)
    _, y = cell.apply(variables, (h, c, n, m), inputs()[0])
    _, shifted = cell.apply(variables, (h, 2 * c, 2 * n, m - jnp.log(2)), inputs()[0])
    np.testing.assert_allclose(y, shifted, rtol=1e-5)


def test_eigenvalues_of_an_lru_start_on_the_disc():
    cell = registry.CELLS["lru"](hidden_size=4000)
    lambda_re, lambda_im = cell.apply(
        cell_lib.initialize(cell, jax.random.key(0), 1), method="_eigenvalues"
    )
    sizes = np.hypot(lambda_re, lambda_im)
    assert sizes.max() < 1
    assert np.mean(sizes**2) == pytest.approx(0.5, abs=0.02)
    assert abs(np.mean(lambda_re)) < 0.03


def test_np_rnn_starts_positive_definite_with_radius_one():
    cell = registry.CELLS["np_rnn"](hidden_size=20)
    (kernel,) = cell_lib.initialize(cell, jax.random.key(0), 2)["params"]["recurrent"][
        "kernel"
    ]
    eigenvalues = np.linalg.eigvalsh(kernel)
    assert eigenvalues[-1] == pytest.approx(1, abs=1e-5)
    assert eigenvalues[0] > 0


def _lower(name, platform):
    cell = registry.CELLS[name](hidden_size=H)
    variables = cell_lib.initialize(cell, jax.random.key(0), I)

    def run(variables, x):
        z = cell.apply(variables, x, method="project")
        return unroll.unroll(bound(cell, variables), cell.initial_carry(), z)

    many = jnp.tile(inputs(), (unroll.STRAIGHT, 1))
    return (
        jax.jit(run)
        .trace(variables, many)
        .lower(lowering_platforms=(platform,))
        .as_text()
    )


def test_lowers_for_tpu(name):
    assert "while" in _lower(name, "tpu")


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["cpu", "cuda"])
def test_lowers_for(name, platform):
    assert "while" in _lower(name, platform)


LINEN = {
    "lstm": (nn.LSTMCell, "ifgo"),
    "gru_flax": (nn.GRUCell, "zrn"),
    "mgu_flax": (nn.MGUCell, "fn"),
}


@pytest.mark.parametrize("kind", LINEN)
def test_equals_linen(kind):
    cell = registry.CELLS[kind](hidden_size=H)
    p = flat(perturbed(cell), np.float32)
    linen, letters = LINEN[kind]
    gates = {gate: k for k, gate in enumerate(letters)}
    n = len(gates)
    wi, b, wh = (
        np.split(p[key], n, axis=-1)
        for key in ("input/kernel", "input/bias", "recurrent/kernel/0")
    )
    theirs = {}
    for gate, k in gates.items():
        theirs[f"i{gate}"] = {"kernel": wi[k]} | (
            {"bias": b[k]} if kind != "lstm" else {}
        )
        theirs[f"h{gate}"] = {"kernel": wh[k]} | (
            {"bias": b[k]} if kind == "lstm" else {}
        )
    if kind != "lstm":
        theirs["hn"]["bias"] = p["candidate_bias/value"]
    carry = random_carry(cell)
    x = inputs()[0]
    ours, y = cell.apply({"params": _tree(cell, p)}, carry, x)
    if kind == "lstm":
        (c, h), expected = linen(H).apply({"params": theirs}, (carry[1], carry[0]), x)
        np.testing.assert_allclose(ours[1], c, rtol=1e-5, atol=1e-6)
    else:
        _, expected = linen(H).apply({"params": theirs}, carry[0], x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def _tree(cell, by_path):
    variables = cell_lib.initialize(cell, jax.random.key(0), I)
    leaves, tree = jax.tree_util.tree_flatten_with_path(variables["params"])
    paths = [
        jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves
    ]
    return tree.unflatten([by_path[path] for path in paths])


def test_options_are_what_the_cell_leaves_open():
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
