"""How much of the gradient reaches a state some steps before the answer.

Let h_t be the state (all arrays of it) that step t of T begins with, and L_b the loss
of sample b. At lag k, from 1 (the state before the last step) to T (the first state),

    g_k = mean over samples b of | dL_b / dh_(T + 1 - k) |.

If g_k falls exponentially with k, the gradient vanishes: what happened k steps ago has
no say in an update (Hochreiter 1991, Bengio et al. 1994, Pascanu et al. 2013).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import networks
from rnnjax.cells.cell import Variables
from rnnjax.engine import unroll
from rnnjax.tasks.task import Batch, Task

MAX_LAGS = 50


def lags(sequence: int) -> list[int]:
    """The lags that rows have: all, or 50 evenly spaced ones from 1 to T."""
    return sorted({round(x) for x in np.linspace(1, sequence, MAX_LAGS)})


def by_lag(
    network: networks.Network, variables: Variables, task: Task, batch: Batch
) -> jax.Array:
    """g_k for every lag k = 1 to T `[T]`, of a network of one layer.

    The gradient by a state is that by a number that is added to it: 0, one for each
    step, sample and unit.
    """
    apply: Callable[..., Any] = network.apply
    z = apply(variables, batch.x, method="project")
    (start,) = apply(variables, method="initial_layers")
    steps, samples = batch.x.shape[:2]

    def step(carry: Any, inputs: Any) -> tuple[Any, jax.Array]:
        z_t, added = inputs
        return apply(
            variables,
            0,
            jax.tree.map(jnp.add, carry, added),
            z_t,
            method="step_layer",
        )

    def loss(added: Any) -> jax.Array:
        carry = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (samples, *leaf.shape)), start
        )
        _, y = unroll.unroll(step, carry, (z, added))
        answers = apply(variables, y if task.every_step else y[-1], method="read")
        return samples * task.loss(answers, batch)

    zeros = jax.tree.map(lambda leaf: jnp.zeros((steps, samples, *leaf.shape)), start)
    gradient = jax.tree.leaves(jax.grad(loss)(zeros))
    squares = sum(jnp.sum(jnp.square(leaf), axis=-1) for leaf in gradient)
    return jnp.mean(jnp.sqrt(squares), axis=1)[::-1]
