"""Counted operations against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from benchmarks.timing_tools import flops as _flops
from benchmarks.timing_tools import jobs as _jobs
from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine.mesh import Mesh

B, H, I, T = 3, 8, 5, 40


def count(function, *arguments, turns=None):
    return _flops.count(jax.jit(function).trace(*arguments), arguments, turns)


def unroll(cell, backward):
    network = networks.Network(registry.CELLS[cell](hidden_size=H))
    variables = networks.initialize(network, jax.random.key(0), I)

    def forward(variables, x):
        return networks.outputs(
            network, variables, network.apply(variables, x, method="project")
        )

    def gradient(variables, x):
        return jax.grad(lambda v: jnp.sum(forward(v, x) ** 2))(variables)

    return count(gradient if backward else forward, variables, jnp.ones((T, B, I)))


@pytest.mark.parametrize(
    "cell, gates", [("rnn_tanh", 1), ("mgu", 2), ("gru", 3), ("lstm", 4)]
)
def test_products_of_an_unroll_and_its_gradient(cell, gates):
    """Forward W x and U h; backward d U^T, and the gradients of U and W. Nothing is asked of x."""
    inputs, recurrent = 2 * B * I * gates * H * T, 2 * B * H * gates * H * T
    assert unroll(cell, False).products == inputs + recurrent
    assert unroll(cell, True).products == 2 * inputs + 3 * recurrent


def test_elementwise_operations_of_a_plain_network():
    """A bias, the sum of both products, and tanh: three for each unit."""
    assert unroll("rnn_tanh", False).others == 3 * B * H * T


def test_loops_whose_number_of_turns_the_host_knows():
    def body(x):
        return lambda k, y: y @ x

    x = jnp.ones((4, 4))
    assert (
        count(lambda x, n: lax.fori_loop(0, 7, body(x), x), x, np.int32(9)).products
        == 7 * 2 * 4**3
    )
    assert count(lambda x, n: lax.fori_loop(n - 7, n, body(x), x), x, np.int32(9)) == (
        7 * 2 * 4**3,
        0,
    )

    def nested(x, n):
        def outer(k, y):
            return lax.fori_loop(k * 3, (k + 1) * 3, body(x), y)

        return lax.fori_loop(0, jnp.minimum(n, 5), outer, x)

    assert count(nested, x, np.int32(100)) == (5 * 3 * 2 * 4**3, 0)
    assert count(nested, x, np.int32(2)) == (2 * 3 * 2 * 4**3, 0)


def test_a_loop_that_the_data_decide_about_is_not_guessed():
    def loop(x):
        return lax.fori_loop(0, jnp.sum(x).astype(int), lambda k, y: y @ x, x)

    x = jnp.ones((4, 4))
    with pytest.raises(ValueError, match="number of turns depends on what is computed"):
        count(loop, x)
    assert count(loop, x, turns=6).products == 6 * 2 * 4**3


def test_the_branch_that_is_taken_or_the_dearest():
    def branch(x, which):
        return lax.cond(which, lambda: x @ x, lambda: x)

    x = jnp.ones((4, 4))
    assert count(branch, x, np.bool_(True)).products == 2 * 4**3
    assert count(branch, x, np.bool_(False)).products == 0
    assert count(branch, x, jnp.bool_(False)).products == 2 * 4**3


def test_work_that_nobody_asks_for_does_not_count():
    assert count(lambda x: (x @ x, jnp.tanh(x))[1], jnp.ones((4, 4))) == (0, 16)


@pytest.mark.parametrize("width", [1, None])
def test_all_lanes_of_all_devices_count(width):
    """A chunk of memory stability: two trajectories of 1,000 steps in each lane, and their inputs projected once.

    Lanes that advance together may take both sides of a branch: that of the exponent, as much again as the trajectories.
    """
    job = _jobs.memory_stability(
        "x", Mesh(tuple(jax.devices()), width), "gru", units=3, inputs=2
    )
    programs = job.make()[1]
    products = sum(
        _flops.count(p.function.trace(*p.arguments), p.arguments, p.turns).products
        for p in programs
    )
    lane_steps, trajectories, inputs = (
        job.sizes["lanes"] * 1000,
        2 * 2 * 3 * 9,
        2 * 2 * 9,
    )
    assert job.lane_steps == lane_steps
    assert products in [
        lane_steps * (times * trajectories + inputs)
        for times in ([1] if width else [1, 2])
    ]
