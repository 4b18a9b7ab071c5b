"""One guarded training step, repeated within a chunk of updates.

For parameters v and a loss with gradient g, one step with learning rate r is

    g' = g min(1, clip / |g|)                  |g| is the norm over all leaves
    d  = optimizer(g')
    v <- v - r (d + weight_decay v).

If the loss or |g| is not finite, the training has diverged: this step and all later
ones leave v as it is, and the index of the step is kept. The guards are selections,
because a factor 0 would not remove a NaN (0 x NaN = NaN); they are taken within a lane,
so a lane that diverges has no influence on the others.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from rnnjax.engine import mesh

Params = Any  # a tree of arrays

NOT_DIVERGED = -1
MIN_NORM = 1e-12  # divides a gradient that is 0


class TrainState(NamedTuple):
    """What a training step changes."""

    params: Params
    opt_state: optax.OptState
    diverged: jax.Array  # int32, the index of the step that was not finite, or -1


def init(params: Params, optimizer: optax.GradientTransformation) -> TrainState:
    """The state before the first step."""
    return TrainState(params, optimizer.init(params), jnp.int32(NOT_DIVERGED))


def step(
    state: TrainState,
    index: jax.Array,
    loss: Callable[[Params], jax.Array],
    optimizer: optax.GradientTransformation,
    learning_rate: float | jax.Array,
    *,
    clip: float | jax.Array | None = None,
    weight_decay: float | jax.Array | None = None,
    live: jax.Array | None = None,
) -> tuple[TrainState, jax.Array]:
    """One training step, see the equations above; returns the loss before it.

    `index` is the number of the step in the whole training, from 0. `clip` and
    `weight_decay` of None add no operation. The optimizer gets the gradient, the
    parameters and, if it takes them, the learning rate and what a line search needs.
    Its state means nothing after a divergence: no later step uses it. Nor does it after
    a step that is not `live`, which changes nothing else.
    """
    params, opt_state, diverged = state
    value, gradient = jax.value_and_grad(loss)(params)
    raw, norm = gradient, global_norm(gradient)
    finite = jnp.isfinite(value) & jnp.isfinite(norm)
    valid = finite & (diverged < 0)
    if live is not None:
        valid, finite = valid & live, finite | ~live
    if clip is not None:
        factor = jnp.minimum(1.0, clip / jnp.maximum(norm, MIN_NORM))
        gradient = jax.tree.map(lambda g: jnp.where(valid, g * factor, 0), gradient)
    direction, opt_state = optax.with_extra_args_support(optimizer).update(
        gradient,
        opt_state,
        params,
        learning_rate=learning_rate,
        value=value,
        grad=raw,
        value_fn=loss,
    )
    if weight_decay is not None:
        direction = jax.tree.map(lambda d, v: d + weight_decay * v, direction, params)
    params = jax.tree.map(
        lambda v, d: jnp.where(valid, v - learning_rate * d, v), params, direction
    )
    diverged = jnp.where(finite | (diverged >= 0), diverged, index)
    return TrainState(params, opt_state, diverged), value


def chunk(
    state: TrainState,
    count: int | jax.Array,
    most: int,
    step: Callable[..., tuple[TrainState, jax.Array]],
) -> tuple[TrainState, jax.Array]:
    """`step(state, k, live)` for k = 0 to `count` - 1, and the mean of its losses.

    For lanes that advance together there are always `most` iterations, and those from
    `count` on are not live. Else `live` is None.
    """
    together = mesh.together()

    def body(k: jax.Array, carry: tuple[TrainState, jax.Array]) -> Any:
        state, total = carry
        live = k < count if together else None
        state, value = step(state, k, live)
        return state, total + (value if live is None else jnp.where(live, value, 0))

    iterations = most if together else count
    state, total = lax.fori_loop(0, iterations, body, (state, jnp.float32(0)))
    return state, total / count


def curve_index(chunk: int, chunks: int, size: int) -> int:
    """Where the loss of a chunk is kept in a curve of `size` numbers.

    Each chunk has a number of its own if there are no more chunks than that. Otherwise
    neighbors share one, and the last of them is kept:

        >>> [curve_index(chunk, chunks=6, size=4) for chunk in range(6)]
        [0, 0, 1, 2, 2, 3]
    """
    return chunk * min(size, chunks) // chunks


def number(x: float | jax.Array) -> float | None:
    """A number as a row has it: None for what JSON cannot hold, NaN and infinities."""
    return float(x) if math.isfinite(x) else None


def global_norm(tree: Any) -> jax.Array:
    """The Euclidean norm of all leaves together, computed in float32 or wider."""
    squares = [
        jnp.sum(jnp.square(leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))))
        for leaf in jax.tree.leaves(tree)
    ]
    return jnp.sqrt(sum(squares)).astype(jnp.float32)
