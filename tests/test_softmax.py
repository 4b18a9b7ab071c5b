"""The chunked softmax against NumPy in float64, and what it must not do: read unscored positions, or hold all logits."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec
from scipy import special

from rnnjax.autocomplete import softmax

H, V = 5, 11
WEIGHTS = ["ones", "zeros", "zeros and ones", "any"]


def draw(positions, weights="zeros and ones", classes=V, seed=0):
    """y, kernel, bias, target and weight, float64."""
    rng = np.random.default_rng(seed)
    share = {"ones": 1.0, "zeros": 0.0}.get(weights, 0.6)
    weight = (rng.random(positions) < share) * (
        rng.uniform(0.5, 2, positions) if weights == "any" else 1.0
    )
    y, kernel, bias = (
        rng.normal(size=(positions, H)),
        rng.normal(size=(H, classes)),
        rng.normal(size=classes),
    )
    return y, kernel, bias, rng.integers(0, classes, positions), weight


def losses(y, kernel, bias, target, weight):
    logits = y @ kernel + bias
    return special.logsumexp(logits, axis=1) - logits[np.arange(len(y)), target]


def gradients(y, kernel, bias, target, weight):
    """d W^T, y^T d and the sum of d."""
    hit = np.eye(len(bias))[target]
    d = (special.softmax(y @ kernel + bias, axis=1) - hit) * weight[:, None]
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


def narrow(arguments, dtype=jnp.float32):
    return [jnp.asarray(x, dtype if x.dtype == np.float64 else None) for x in arguments]


@pytest.mark.parametrize("positions, chunk", [(12, 4), (13, 4), (3, 8), (1, 1)])
def test_loss_and_gradients_are_the_closed_form(x64, positions, chunk):
    for weights in WEIGHTS:
        arguments = draw(positions, weights)
        expected = np.sum(arguments[-1] * losses(*arguments))
        loss, found = value_and_gradients(chunk, scale=3)(*arguments)
        np.testing.assert_allclose(loss, 3 * expected, rtol=1e-12)
        for x, gradient in zip(found, gradients(*arguments)):
            assert x.dtype == np.float64
            np.testing.assert_allclose(x, 3 * gradient, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(
            LOSS(*arguments, chunk=chunk), (expected, arguments[-1].sum()), rtol=1e-12
        )


def test_gradients_are_finite_differences(x64):
    arguments = draw(13, "any")
    rng, step = np.random.default_rng(1), 1e-5
    _, found = value_and_gradients()(*arguments)
    for which, gradient in enumerate(found):
        direction = rng.normal(size=gradient.shape)
        ends = []
        for sign in (1, -1):
            moved = list(arguments)
            moved[which] = moved[which] + sign * step * direction
            ends.append(LOSS(*moved, chunk=4)[0])
        np.testing.assert_allclose(
            np.sum(gradient * direction), (ends[0] - ends[1]) / (2 * step), rtol=1e-7
        )


def test_one_class_costs_nothing():
    loss, found = value_and_gradients()(*narrow(draw(9, "ones", classes=1)))
    assert loss == 0
    for x in found:
        np.testing.assert_array_equal(x, 0)


def test_extreme_logits_stay_finite():
    y, kernel, bias, target, weight = draw(13, "ones")
    kernel *= 1e4 / np.abs(y @ kernel).max()
    bias[[2, 5]] = -1e4, 1e4
    arguments = narrow((y, kernel, bias, target, weight))
    loss, found = value_and_gradients()(*arguments)
    np.testing.assert_allclose(
        loss, np.sum(losses(y, kernel, bias, target, weight)), rtol=1e-5
    )
    for x, gradient in zip(found, gradients(y, kernel, bias, target, weight)):
        np.testing.assert_allclose(x, gradient, atol=1e-3 * np.abs(gradient).max())
    loss, rank = RANKS(*arguments)
    assert np.isfinite(loss).all() and np.all(rank < V)


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e38])
def test_unscored_positions_are_not_read(poison):
    y, kernel, bias, target, weight = narrow(draw(13))
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


def test_a_class_may_be_ruled_out():
    y, kernel, bias, target, weight = draw(13)
    bias[0], target[target == 0] = -np.inf, 1
    loss, found = value_and_gradients()(*narrow((y, kernel, bias, target, weight)))
    np.testing.assert_allclose(
        loss, np.sum(weight * losses(y, kernel, bias, target, weight)), rtol=1e-5
    )
    assert np.isfinite(found[1]).all() and np.all(found[1][:, 0] == 0)


BUILDERS = {
    "gradients": build,
    "loss": lambda: jax.jit(functools.partial(softmax.cross_entropy, chunk=4)),
    "ranks": lambda: jax.jit(functools.partial(softmax.ranks, chunk=4)),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_only_as_many_chunks_run_as_are_scored(monkeypatch, name):
    seen, original = [], softmax._softmax

    def noted(y, *rest):
        jax.debug.callback(lambda y: seen.append(len(y)), y)
        return original(y, *rest)

    monkeypatch.setattr(softmax, "_softmax", noted)
    program = BUILDERS[name]()
    y, kernel, bias, target, _ = narrow(draw(16))
    for scored, turns in ((0, 0), (1, 1), (4, 1), (5, 2), (16, 4)):
        seen.clear()
        jax.block_until_ready(
            program(y, kernel, bias, target, jnp.float32(jnp.arange(16) >= 16 - scored))
        )
        jax.effects_barrier()
        assert seen == [4] * turns


def test_chunks_share_the_positions_evenly():
    """10 positions at most 8 at a time are twice 5, not 8 and 2 of 8."""
    program = value_and_gradients(8).lower(*narrow(draw(10)))
    assert (
        f"tensor<5x{V}xf32>" in program.as_text()
        and f"tensor<8x{V}xf32>" not in program.as_text()
    )


def lanes():
    drawn = [
        narrow(draw(13, weights, seed=seed)) for seed, weights in enumerate(WEIGHTS)
    ]
    return drawn, [jnp.stack(leaves) for leaves in zip(*drawn)]


def same(lane_results, stacked):
    for lane, expected in enumerate(lane_results):
        for x, z in zip(jax.tree.leaves(expected), jax.tree.leaves(stacked)):
            np.testing.assert_allclose(z[lane], x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("program", [value_and_gradients(), LOSS, RANKS])
def test_lanes_are_what_each_is_alone(program):
    drawn, stacked = lanes()
    nested = [x.reshape(2, 2, *x.shape[1:]) for x in stacked]
    found = jax.jit(jax.vmap(jax.vmap(program)))(*nested)
    same(
        [program(*arguments) for arguments in drawn],
        jax.tree.map(lambda x: x.reshape(4, *x.shape[2:]), found),
    )


def test_lanes_may_share_a_kernel():
    drawn, (y, _, _, target, weight) = lanes()
    kernel, bias = drawn[0][1:3]
    program = value_and_gradients()
    alone = [program(arguments[0], kernel, bias, *arguments[3:]) for arguments in drawn]
    same(
        alone,
        jax.jit(jax.vmap(program, in_axes=(0, None, None, 0, 0)))(
            y, kernel, bias, target, weight
        ),
    )


@pytest.mark.parametrize("checked", [False, True])
def test_lanes_may_lie_on_several_devices(checked):
    drawn, stacked = lanes()

    def program(*arguments):
        return value_and_gradients()(*arguments), RANKS(*arguments)

    spec = PartitionSpec("lanes")
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))
    sharded = jax.shard_map(
        jax.vmap(program), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=checked
    )
    same([program(*arguments) for arguments in drawn], jax.jit(sharded)(*stacked))


def test_lanes_stop_together():
    """A loop that lanes left one by one would choose between old and new gradients at every turn."""
    _, stacked = lanes()
    nested = [x.reshape(2, 2, *x.shape[1:]) for x in stacked]
    text = jax.jit(jax.vmap(jax.vmap(value_and_gradients()))).lower(*nested).as_text()
    assert f"tensor<2x2x{H}x{V}xf32>" in text
    assert not re.search(rf"stablehlo.select .*tensor<2x2x{H}x{V}xf32>", text)


def arrays(text):
    """Numbers in each array that a program's text names."""
    return [
        int(np.prod([int(n) for n in shape.split(",")]))
        for shape in re.findall(r"\[(\d+(?:,\d+)*)\]", text)
    ]


SHAPES = {"units": 8, "classes": 500}


def compiled(function, positions):
    of = functools.partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
    units, classes = SHAPES.values()
    target = jax.ShapeDtypeStruct((positions,), jnp.int32)
    return (
        jax.jit(function)
        .lower(
            of((positions, units)),
            of((units, classes)),
            of((classes,)),
            target,
            of((positions,)),
        )
        .compile()
    )


def through_logits(y, kernel, bias, target, weight):
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
        max(arrays(compiled(jax.grad(through_logits), positions).as_text()))
        == positions * SHAPES["classes"]
    )


def test_memory_grows_with_positions_by_the_gradient_of_y_and_an_index():
    few, many = (
        compiled(value_and_gradients(32), n).memory_analysis().temp_size_in_bytes
        for n in (1024, 4096)
    )
    assert many - few <= 1.1 * 3 * 1024 * 4 * (SHAPES["units"] + 4)
    of_a_chunk = 32 * SHAPES["classes"] * 4
    assert few < 4 * of_a_chunk + 1024 * 4 * (SHAPES["units"] + 4)


@pytest.mark.parametrize("kernel_dtype", [jnp.bfloat16, jnp.float32])
def test_bfloat16_sums_in_float32(kernel_dtype):
    """Losses to 1e-5 of NumPy's on the same rounded numbers; gradients to 1 % of the largest, as d is rounded to 8 bits."""
    y, kernel, bias, target, weight = draw(300)
    kernel *= 3
    y, kernel = jnp.asarray(y, jnp.bfloat16), jnp.asarray(kernel, kernel_dtype)
    exact = np.float64(y), np.float64(kernel), bias, target, weight
    arguments = y, kernel, *narrow((bias, target, weight))
    loss, found = value_and_gradients(64)(*arguments)
    assert loss.dtype == jnp.float32 and [x.dtype for x in found] == [
        jnp.bfloat16,
        kernel_dtype,
        jnp.float32,
    ]
    np.testing.assert_allclose(loss, np.sum(weight * losses(*exact)), rtol=1e-5)
    for x, gradient in zip(found, gradients(*exact)):
        np.testing.assert_allclose(
            np.float64(x), gradient, atol=0.01 * np.abs(gradient).max()
        )
    each, _ = RANKS(*arguments)
    np.testing.assert_allclose(
        each, np.where(weight > 0, losses(*exact), 0), rtol=1e-4, atol=1e-5
    )


def test_ranks_count_likelier_classes(x64):
    for weights in WEIGHTS:
        y, kernel, bias, target, weight = arguments = draw(53, weights)
        order = np.argsort(-(y @ kernel + bias), axis=1)
        loss, rank = RANKS(*arguments, chunk=8)
        assert rank.dtype == np.int32
        np.testing.assert_array_equal(
            rank, np.where(weight > 0, np.argmax(order == target[:, None], axis=1), 0)
        )
        np.testing.assert_allclose(
            loss, np.where(weight > 0, losses(*arguments), 0), rtol=1e-12
        )


def test_ties_do_not_count_and_numbers_that_cannot_be_compared_do():
    bias = jnp.array([1.0, 3.0, 3.0, 2.0, 1.0])
    y, kernel, weight = jnp.zeros((5, H)), jnp.zeros((H, 5)), jnp.ones(5)
    np.testing.assert_array_equal(
        RANKS(y, kernel, bias, jnp.arange(5), weight)[1], [3, 0, 0, 2, 3]
    )
    _, rank = RANKS(y.at[1].set(jnp.nan), kernel, bias, jnp.arange(5), weight)
    np.testing.assert_array_equal(rank, [3, 5, 0, 2, 3])
