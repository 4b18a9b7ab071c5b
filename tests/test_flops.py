"""Counted operations are equal to closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from benchmarks.timing_tools import flops, jobs
from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import timed as memory_stability

B, H, I, T = 3, 8, 5, 40
N = 4  # rows and columns of the matrices that are multiplied
PRODUCT = 2 * N**3


def count(function, *arguments, iterations=None):
    traced = jax.jit(function).trace(*arguments)
    return flops.count(traced, arguments, iterations)


def unroll(cell, backward):
    network = networks.Network(registry.CELLS[cell](hidden_size=H))
    variables = networks.initialize(network, jax.random.key(0), I)

    def forward(variables, x):
        z = network.apply(variables, x, method="project")
        return networks.unroll_layers(network, variables, z)

    def gradient(variables, x):
        return jax.grad(lambda v: jnp.sum(forward(v, x) ** 2))(variables)

    return count(gradient if backward else forward, variables, jnp.ones((T, B, I)))


@pytest.mark.parametrize(
    "cell, gates", [("rnn_tanh", 1), ("mgu", 2), ("gru", 3), ("lstm", 4)]
)
def test_products_of_an_unroll_and_its_gradient(cell, gates):
    """Forward W x and U h; backward d U^T and the gradients of U and W, none of x."""
    inputs, recurrent = 2 * B * I * gates * H * T, 2 * B * H * gates * H * T
    assert unroll(cell, False).products == inputs + recurrent
    assert unroll(cell, True).products == 2 * inputs + 3 * recurrent


def test_elementwise_operations_of_a_plain_network():
    """A bias, the sum of both products, and tanh: three for each unit."""
    assert unroll("rnn_tanh", False).others == 3 * B * H * T


def test_loops_whose_trip_count_is_known_on_the_host():
    def body(x):
        return lambda k, y: y @ x

    def constant(x, n):
        return lax.fori_loop(0, 7, body(x), x)

    def shifted(x, n):
        return lax.fori_loop(n - 7, n, body(x), x)

    x = jnp.ones((N, N))
    assert count(constant, x, np.int32(9)).products == 7 * PRODUCT
    assert count(shifted, x, np.int32(9)) == (7 * PRODUCT, 0)

    def nested(x, n):
        def outer(k, y):
            return lax.fori_loop(k * 3, (k + 1) * 3, body(x), y)

        return lax.fori_loop(0, jnp.minimum(n, 5), outer, x)

    assert count(nested, x, np.int32(100)) == (5 * 3 * PRODUCT, 0)
    assert count(nested, x, np.int32(2)) == (2 * 3 * PRODUCT, 0)


def test_a_trip_count_that_depends_on_the_data_is_not_guessed():
    def loop(x):
        return lax.fori_loop(0, jnp.sum(x).astype(int), lambda k, y: y @ x, x)

    x = jnp.ones((N, N))
    with pytest.raises(ValueError, match="trip count of a loop depends on computed"):
        count(loop, x)
    assert count(loop, x, iterations=6).products == 6 * PRODUCT


def test_the_branch_that_is_taken_counts_or_the_most_expensive_one():
    def branch(x, which):
        return lax.cond(which, lambda: x @ x, lambda: x)

    x = jnp.ones((N, N))
    assert count(branch, x, np.bool_(True)).products == PRODUCT
    assert count(branch, x, np.bool_(False)).products == 0
    assert count(branch, x, jnp.bool_(False)).products == PRODUCT


def test_operations_without_a_use_do_not_count():
    assert count(lambda x: (x @ x, jnp.tanh(x))[1], jnp.ones((N, N))) == (0, N * N)


@pytest.mark.parametrize("width", [pytest.param(1, marks=pytest.mark.slow), None])
def test_all_lanes_of_all_devices_count(width):
    """A chunk of memory stability: two trajectories of 1,000 steps in each lane, and
    their inputs projected once.

    Lanes that advance together may compute both sides of a branch: that of the
    exponent, as much again as the trajectories.
    """
    mesh = Mesh(tuple(jax.devices()), width)
    job = jobs.chunk(memory_stability.timed(mesh)[0], mesh)
    products = sum(
        flops.count(p.function.trace(*p.arguments), p.arguments, p.iterations).products
        for p in job.make().programs
    )
    units, inputs = job.sizes["units"], job.sizes["inputs"]
    trajectories, projected = 2 * 2 * units * 3 * units, 2 * inputs * 3 * units
    assert job.lane_steps == job.sizes["lanes"] * 1000
    assert products in [
        job.lane_steps * (times * trajectories + projected)
        for times in ([1] if width else [1, 2])
    ]
