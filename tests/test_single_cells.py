"""What single cells are beyond the contract of a cell."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cell_inputs import H, I, bound, cast, inputs, perturbed, random_carry
from conftest import flat
from flax import linen as nn

from rnnjax.cells import cell as cell_lib
from rnnjax.cells import registry
from rnnjax.engine import unroll
from rnnjax.memory_stability import experiment as stability

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize("name", ["min_gru", "min_lstm", "lru"])
def test_parallel_equals_sequential(name, x64):
    cell = registry.CELLS[name](hidden_size=H)
    variables, carry = cast((perturbed(cell), random_carry(cell)), np.float64)
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
    peephole = reorder(theirs, [0, 1, 3, 2])
    for cell, variables in (
        (registry.CELLS["nested_lstm"](hidden_size=H, depth=1), nested),
        (registry.CELLS["lstm_np"](hidden_size=H), peephole),
    ):
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-6),
            cell.apply({"params": variables}, carry, x),
            expected,
        )


def reorder(parameters, order):
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


def stabilized_slstm(p, xs):
    """Outputs of the published recurrence, which keeps m = i while n = 0, from 0."""
    h, c, n, m = np.zeros((4, H))
    outputs = []
    for x in xs:
        sums = x @ p["input/kernel"] + h @ p["recurrent/kernel/0"] + p["input/bias"]
        i, f, g, o = np.split(sums, 4)
        kept = m - np.logaddexp(0, -f)  # ln(s(f) e^m)
        m = i if np.all(n == 0) else np.maximum(kept, i)
        old = np.exp(kept - m) if np.any(n) else 0
        c, n = old * c + np.exp(i - m) * np.tanh(g), old * n + np.exp(i - m)
        h = c / n / (1 + np.exp(-o))
        outputs.append(h)
    return np.asarray(outputs)


@pytest.mark.parametrize("scale", [1, 10_000])
def test_an_slstm_with_strong_inputs_is_the_published_recurrence(scale, x64):
    cell = registry.CELLS["slstm"](hidden_size=H)
    variables = cast(perturbed(cell), np.float64)
    xs = scale * np.asarray(inputs(), np.float64)
    z = cell.apply(variables, xs, method="project")
    carry = cast(cell.initial_carry(), np.float64)
    _, outputs = unroll.unroll(bound(cell, variables), carry, z)
    with np.errstate(over="ignore"):  # of a gate that is 0
        expected = stabilized_slstm(flat(variables), xs)
    np.testing.assert_allclose(outputs, expected, rtol=1e-12, atol=1e-12)


def test_eigenvalues_of_an_lru_start_on_the_disc():
    cell = registry.CELLS["lru"](hidden_size=4000)
    lambda_re, lambda_im = cell.apply(
        cell_lib.initialize(cell, jax.random.key(0), 1), method="eigenvalues"
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


def unrolled(cell, variables, xs):
    """The last state and the outputs, from the initial state."""
    z = cell.apply(variables, xs, method="project")
    return unroll.unroll(bound(cell, variables), cell.initial_carry(), z)


def test_a_delay_line_holds_what_it_read_last_the_newest_first():
    cell = registry.CELLS["delay_line"](hidden_size=H)
    variables = perturbed(cell)
    _, outputs = unrolled(cell, variables, inputs())
    p = flat(variables, np.float32)
    read = np.asarray(inputs()) @ p["input/kernel"][:, 0] + p["input/bias"]
    np.testing.assert_allclose(outputs[-1], read[: -H - 1 : -1], rtol=1e-5)


def test_sequences_are_identical_once_a_delay_line_has_read_as_many_steps_as_units():
    cell = registry.CELLS["delay_line"](hidden_size=H)
    rows = stability.measure(cell, 2, steps=1300, unique_steps=300, seeds=2)
    for row in rows:
        assert row["status"] == "merged"
        assert row["first_identical"] == row["first_1e-6"] == H - 1


@pytest.mark.parametrize("gain", [None, 0.5])
def test_a_cycle_shrinks_every_difference_by_its_gain(gain):
    cell = registry.CELLS["cycle"](hidden_size=H)
    cell = cell if gain is None else cell.with_options(recurrent_gain=gain)
    variables = cell_lib.initialize(cell, jax.random.key(0), I)
    start, steps = random_carry(cell), len(inputs())
    (near,), _ = unrolled(cell, variables, inputs())
    z = cell.apply(variables, inputs(), method="project")
    (far,), _ = unroll.unroll(bound(cell, variables), start, z)
    turned = np.roll(start[0], steps)
    np.testing.assert_allclose(far - near, (gain or 0.9) ** steps * turned, rtol=1e-4)


@pytest.mark.parametrize("name", ["delay_line", "cycle"])
def test_a_shift_is_no_gather(name):
    cell = registry.CELLS[name](hidden_size=H)
    variables = perturbed(cell)
    z = cell.apply(variables, inputs(), method="project")
    traced = str(jax.make_jaxpr(bound(cell, variables))(cell.initial_carry(), z[0]))
    assert "concatenate" in traced
    assert not any(word in traced for word in ("gather", "scatter", "dynamic"))


def test_nothing_decays_in_an_antisymmetric_network_without_diffusion():
    """By one step dt of a derivative with eigenvalues that are imaginary."""
    cell = registry.CELLS["antisymmetric_rnn"](hidden_size=H, diffusion=0.0)
    variables, z = perturbed(cell), jnp.zeros(H)
    step = bound(cell, variables)
    derivative = jax.jacobian(lambda h: step((h,), z)[1])(jnp.zeros(H))
    eigenvalues = np.linalg.eigvals(derivative)
    np.testing.assert_allclose(eigenvalues.real, 1, atol=1e-5)
    assert np.abs(eigenvalues.imag).max() > cell.dt


def test_recurrent_weights_of_single_units_start_as_the_gain_says():
    for name, low in (("indrnn", 0.0), ("brc", 2.0)):
        cell = registry.CELLS[name](hidden_size=100, recurrent_gain=2.0)
        p = flat(cell_lib.initialize(cell, jax.random.key(0), I))
        weights = p["recurrent/value"]
        assert low <= weights.min() <= low + 0.2 and 1.8 < weights.max() <= 2


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
    ours, y = cell.apply({"params": unflatten(cell, p)}, carry, x)
    if kind == "lstm":
        (c, h), expected = linen(H).apply({"params": theirs}, (carry[1], carry[0]), x)
        np.testing.assert_allclose(ours[1], c, rtol=1e-5, atol=1e-6)
    else:
        _, expected = linen(H).apply({"params": theirs}, carry[0], x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def unflatten(cell, by_path):
    variables = cell_lib.initialize(cell, jax.random.key(0), I)
    leaves, tree = jax.tree_util.tree_flatten_with_path(variables["params"])
    paths = [
        jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves
    ]
    return tree.unflatten([by_path[path] for path in paths])
