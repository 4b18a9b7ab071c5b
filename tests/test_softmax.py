"""The chunked softmax against NumPy in float64.

It must not read positions of weight 0, nor hold the logits of all positions.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec
from scipy import special

from rnnjax.autocomplete import softmax
from rnnjax.engine import mesh as mesh_lib

H, V = 5, 11
WEIGHTS = ["ones", "zeros", "zeros and ones", "any"]


def make_arguments(positions, weights="zeros and ones", classes=V, seed=0):
    """y, kernel, bias, target and weight, float64."""
    rng = np.random.default_rng(seed)
    fraction = {"ones": 1.0, "zeros": 0.0}.get(weights, 0.6)
    weight = (rng.random(positions) < fraction) * (
        rng.uniform(0.5, 2, positions) if weights == "any" else 1.0
    )
    y = rng.normal(size=(positions, H))
    kernel = rng.normal(size=(H, classes))
    bias = rng.normal(size=classes)
    return y, kernel, bias, rng.integers(0, classes, positions), weight


def expected_losses(y, kernel, bias, target, weight):
    logits = y @ kernel + bias
    return special.logsumexp(logits, axis=1) - logits[np.arange(len(y)), target]


def expected_gradients(y, kernel, bias, target, weight):
    """d W^T, y^T d and the sum of d."""
    one_hot = np.eye(len(bias))[target]
    d = (special.softmax(y @ kernel + bias, axis=1) - one_hot) * weight[:, None]
    return d @ kernel.T, y.T @ d, d.sum(0)


def build(chunk=4, scale=1):
    def total(*arguments):
        return scale * softmax.cross_entropy(*arguments, chunk)[0]

    return jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2)))


value_and_gradients = functools.cache(build)
LOSS, RANKS = (
    jax.jit(function, static_argnames="chunk")
    for function in (softmax.cross_entropy, softmax.ranks)
)


@pytest.fixture(scope="module", autouse=True, params=["apart", "together"])
def form(request):
    """Every test, with the loops of a CPU and with those of an accelerator."""
    with mesh_lib.traced(request.param == "together"):
        yield request.param
    for program in (LOSS, RANKS):
        program.clear_cache()
    value_and_gradients.cache_clear()


def narrow(arguments):
    """Arguments in float32."""
    return [
        jnp.asarray(x, jnp.float32 if x.dtype == np.float64 else None)
        for x in arguments
    ]


@pytest.mark.parametrize("positions, chunk", [(12, 4), (13, 4), (3, 8), (1, 1)])
def test_loss_and_gradients_are_the_closed_form(x64, positions, chunk):
    for weights in WEIGHTS:
        arguments = make_arguments(positions, weights)
        expected = np.sum(arguments[-1] * expected_losses(*arguments))
        loss, computed = value_and_gradients(chunk, scale=3)(*arguments)
        np.testing.assert_allclose(loss, 3 * expected, rtol=1e-12)
        for x, gradient in zip(computed, expected_gradients(*arguments)):
            assert x.dtype == np.float64
            np.testing.assert_allclose(x, 3 * gradient, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(
            LOSS(*arguments, chunk=chunk), (expected, arguments[-1].sum()), rtol=1e-12
        )


def test_gradients_are_finite_differences(x64):
    arguments = make_arguments(13, "any")
    rng, step = np.random.default_rng(1), 1e-5
    _, computed = value_and_gradients()(*arguments)
    for which, gradient in enumerate(computed):
        direction = rng.normal(size=gradient.shape)
        ends = []
        for sign in (1, -1):
            moved = list(arguments)
            moved[which] = moved[which] + sign * step * direction
            ends.append(LOSS(*moved, chunk=4)[0])
        np.testing.assert_allclose(
            np.sum(gradient * direction), (ends[0] - ends[1]) / (2 * step), rtol=1e-7
        )


def test_the_loss_of_a_single_class_is_zero():
    loss, computed = value_and_gradients()(
        *narrow(make_arguments(9, "ones", classes=1))
    )
    assert loss == 0
    for x in computed:
        np.testing.assert_array_equal(x, 0)


def test_extreme_logits_stay_finite():
    y, kernel, bias, target, weight = make_arguments(13, "ones")
    kernel *= 1e4 / np.abs(y @ kernel).max()
    bias[[2, 5]] = -1e4, 1e4
    arguments = narrow((y, kernel, bias, target, weight))
    loss, computed = value_and_gradients()(*arguments)
    np.testing.assert_allclose(
        loss, np.sum(expected_losses(y, kernel, bias, target, weight)), rtol=1e-5
    )
    for x, gradient in zip(
        computed, expected_gradients(y, kernel, bias, target, weight)
    ):
        np.testing.assert_allclose(x, gradient, atol=1e-3 * np.abs(gradient).max())
    loss, rank = RANKS(*arguments)
    assert np.isfinite(loss).all() and np.all(rank < V)


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e38])
def test_positions_of_weight_zero_are_not_read(poison):
    y, kernel, bias, target, weight = narrow(make_arguments(13))
    unscored = weight == 0
    poisoned = (
        jnp.where(unscored[:, None], poison, y),
        kernel,
        bias,
        jnp.where(unscored, V + 7, target),
        weight,
    )
    for program in (value_and_gradients(), LOSS, RANKS):
        clean, dirty = (
            jax.tree.leaves(program(*arguments))
            for arguments in ((y, kernel, bias, target, weight), poisoned)
        )
        assert all(np.array_equal(a, b) for a, b in zip(clean, dirty))
    _, (y_gradient, _, _) = value_and_gradients()(*poisoned)
    np.testing.assert_array_equal(y_gradient[unscored], 0)


def test_a_class_may_have_probability_zero():
    y, kernel, bias, target, weight = make_arguments(13)
    bias[0], target[target == 0] = -np.inf, 1
    loss, computed = value_and_gradients()(*narrow((y, kernel, bias, target, weight)))
    np.testing.assert_allclose(
        loss,
        np.sum(weight * expected_losses(y, kernel, bias, target, weight)),
        rtol=1e-5,
    )
    assert np.isfinite(computed[1]).all() and np.all(computed[1][:, 0] == 0)


BUILDERS = {
    "gradients": build,
    "loss": lambda: jax.jit(functools.partial(softmax.cross_entropy, chunk=4)),
    "ranks": lambda: jax.jit(functools.partial(softmax.ranks, chunk=4)),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_only_as_many_chunks_run_as_the_scored_positions_need(monkeypatch, name, form):
    """Together all do, as often in every lane."""
    sizes, original = [], softmax._softmax

    def recorded(y, *rest):
        jax.debug.callback(lambda y: sizes.append(len(y)), y)
        return original(y, *rest)

    monkeypatch.setattr(softmax, "_softmax", recorded)
    program = BUILDERS[name]()
    y, kernel, bias, target, _ = narrow(make_arguments(16))
    for scored, iterations in ((0, 0), (1, 1), (4, 1), (5, 2), (16, 4)):
        sizes.clear()
        jax.block_until_ready(
            program(y, kernel, bias, target, jnp.float32(jnp.arange(16) >= 16 - scored))
        )
        jax.effects_barrier()
        assert sizes == [4] * (4 if form == "together" else iterations)


def test_chunks_are_equally_large():
    """10 positions in chunks of at most 8 are twice 5, not 8 and 2 padded to 8."""
    program = value_and_gradients(8).lower(*narrow(make_arguments(10)))
    assert (
        f"tensor<5x{V}xf32>" in program.as_text()
        and f"tensor<8x{V}xf32>" not in program.as_text()
    )


def lanes():
    lane_arguments = [
        narrow(make_arguments(13, weights, seed=seed))
        for seed, weights in enumerate(WEIGHTS)
    ]
    return lane_arguments, [jnp.stack(leaves) for leaves in zip(*lane_arguments)]


def assert_lanes_equal(lane_results, stacked):
    for lane, expected in enumerate(lane_results):
        for x, z in zip(jax.tree.leaves(expected), jax.tree.leaves(stacked)):
            np.testing.assert_allclose(z[lane], x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["gradients", "loss", "ranks"])
def test_a_lane_gives_what_it_gives_alone(name):
    program = {"gradients": value_and_gradients(), "loss": LOSS, "ranks": RANKS}[name]
    lane_arguments, stacked = lanes()
    nested = [x.reshape(2, 2, *x.shape[1:]) for x in stacked]
    computed = jax.jit(jax.vmap(jax.vmap(program)))(*nested)
    assert_lanes_equal(
        [program(*arguments) for arguments in lane_arguments],
        jax.tree.map(lambda x: x.reshape(4, *x.shape[2:]), computed),
    )


def test_lanes_may_share_a_kernel():
    lane_arguments, (y, _, _, target, weight) = lanes()
    kernel, bias = lane_arguments[0][1:3]
    program = value_and_gradients()
    alone = [
        program(arguments[0], kernel, bias, *arguments[3:])
        for arguments in lane_arguments
    ]
    assert_lanes_equal(
        alone,
        jax.jit(jax.vmap(program, in_axes=(0, None, None, 0, 0)))(
            y, kernel, bias, target, weight
        ),
    )


@pytest.mark.parametrize("checked", [False, True])
def test_lanes_may_lie_on_several_devices(checked):
    lane_arguments, stacked = lanes()

    def program(*arguments):
        return value_and_gradients()(*arguments), RANKS(*arguments)

    spec = PartitionSpec("lanes")
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))
    sharded = jax.shard_map(
        jax.vmap(program), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=checked
    )
    assert_lanes_equal(
        [program(*arguments) for arguments in lane_arguments],
        jax.jit(sharded)(*stacked),
    )


def arrays(text):
    """The size of each array in a program's text."""
    return [
        int(np.prod([int(n) for n in shape.split(",")]))
        for shape in re.findall(r"\[(\d+(?:,\d+)*)\]", text)
    ]


SHAPES = {"units": 8, "classes": 500}


def compiled(function, positions):
    array = functools.partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
    units, classes = SHAPES.values()
    target = jax.ShapeDtypeStruct((positions,), jnp.int32)
    return (
        jax.jit(function)
        .lower(
            array((positions, units)),
            array((units, classes)),
            array((classes,)),
            target,
            array((positions,)),
        )
        .compile()
    )


def full_logits_loss(y, kernel, bias, target, weight):
    logits = y @ kernel + bias
    return jnp.sum(
        weight * (jax.nn.logsumexp(logits, axis=1) - logits[jnp.arange(len(y)), target])
    )


@pytest.mark.parametrize(
    "program", [value_and_gradients(32), functools.partial(softmax.ranks, chunk=32)]
)
def test_all_logits_never_exist(program):
    positions = 1024
    assert (
        max(arrays(compiled(program, positions).as_text()))
        < positions * SHAPES["classes"] / 16
    )
    assert (
        max(arrays(compiled(jax.grad(full_logits_loss), positions).as_text()))
        == positions * SHAPES["classes"]
    )


def test_memory_grows_by_the_gradient_of_y_and_an_index_for_each_position():
    few, many = (
        compiled(value_and_gradients(32), n).memory_analysis().temp_size_in_bytes
        for n in (1024, 4096)
    )
    assert many - few <= 1.1 * 3 * 1024 * 4 * (SHAPES["units"] + 4)
    chunk_logits = 32 * SHAPES["classes"] * 4
    assert few < 4 * chunk_logits + 1024 * 4 * (SHAPES["units"] + 4)


@pytest.mark.parametrize("kernel_dtype", [jnp.bfloat16, jnp.float32])
def test_bfloat16_sums_in_float32(kernel_dtype):
    """Losses agree to 1e-5 with NumPy's on the same rounded numbers, gradients to 1 %.

    The gradients are less exact because d is rounded to 8 bits.
    """
    y, kernel, bias, target, weight = make_arguments(300)
    kernel *= 3
    y, kernel = jnp.asarray(y, jnp.bfloat16), jnp.asarray(kernel, kernel_dtype)
    exact = np.float64(y), np.float64(kernel), bias, target, weight
    arguments = y, kernel, *narrow((bias, target, weight))
    loss, computed = value_and_gradients(64)(*arguments)
    assert loss.dtype == jnp.float32 and [x.dtype for x in computed] == [
        jnp.bfloat16,
        kernel_dtype,
        jnp.float32,
    ]
    np.testing.assert_allclose(
        loss, np.sum(weight * expected_losses(*exact)), rtol=1e-5
    )
    for x, gradient in zip(computed, expected_gradients(*exact)):
        np.testing.assert_allclose(
            np.float64(x), gradient, atol=0.01 * np.abs(gradient).max()
        )
    each, _ = RANKS(*arguments)
    np.testing.assert_allclose(
        each, np.where(weight > 0, expected_losses(*exact), 0), rtol=1e-4, atol=1e-5
    )


def test_ranks_count_the_more_likely_classes(x64):
    for weights in WEIGHTS:
        y, kernel, bias, target, weight = arguments = make_arguments(53, weights)
        order = np.argsort(-(y @ kernel + bias), axis=1)
        loss, rank = RANKS(*arguments, chunk=8)
        assert rank.dtype == np.int32
        np.testing.assert_array_equal(
            rank, np.where(weight > 0, np.argmax(order == target[:, None], axis=1), 0)
        )
        np.testing.assert_allclose(
            loss, np.where(weight > 0, expected_losses(*arguments), 0), rtol=1e-12
        )


def test_ties_do_not_count_as_more_likely_and_nan_does():
    bias = jnp.array([1.0, 3.0, 3.0, 2.0, 1.0])
    y, kernel, weight = jnp.zeros((5, H)), jnp.zeros((H, 5)), jnp.ones(5)
    np.testing.assert_array_equal(
        RANKS(y, kernel, bias, jnp.arange(5), weight)[1], [3, 0, 0, 2, 3]
    )
    _, rank = RANKS(y.at[1].set(jnp.nan), kernel, bias, jnp.arange(5), weight)
    np.testing.assert_array_equal(rank, [3, 5, 0, 2, 3])
