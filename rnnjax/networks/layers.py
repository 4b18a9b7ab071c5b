"""A network over a whole sequence, one layer after another."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Projected, Variables
from rnnjax.engine import unroll
from rnnjax.networks.network import Network


def unroll_layers(
    network: Network,
    variables: Variables,
    z: Projected,
    blank: Projected = None,
    blank_steps: int = 0,
) -> jax.Array:
    """Outputs of the top layer from the initial state, y `[T + blank_steps, B, H]`.

    A layer runs over the whole sequence before the next layer starts, so that the next
    layer projects all steps as one product.

    Args:
      network: the network; its read-out is not applied.
      variables: its variables.
      z: the inputs as the first layer projects them, `[T, B, ...]`.
      blank: one more projected input `[...]`, the same at each blank step.
      blank_steps: the number of steps that follow the sequence.
    """
    apply: Callable[..., Any] = network.apply
    first, *upper = apply(variables, method="initial_layers")
    step = functools.partial(apply, variables, 0, method="step_layer")
    carry, y = unroll.from_start(step, first, z)
    if blank_steps:
        blank = jax.tree.map(
            lambda leaf, rows: jnp.broadcast_to(leaf, rows.shape[1:]), blank, z
        )
        _, y_blank = unroll.repeat(step, carry, blank, blank_steps)
        y = jnp.concatenate([y, y_blank])
    for layer, start in enumerate(upper, start=1):
        step = functools.partial(apply, variables, layer, method="step_layer")
        z = apply(variables, layer, y, method="project_layer")
        _, y = unroll.from_start(step, start, z)
    return y
