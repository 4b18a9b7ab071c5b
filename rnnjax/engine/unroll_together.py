"""The loops of memory stability in the form of accelerators.

They equal those of `unroll`, which a CPU runs for one lane at a time. These are for
lanes that advance together, under `vmap`:

- Their trip counts are known, or the host would wait for every iteration of a GPU.
  Steps beyond the length of a chunk are computed and not kept.
- Inputs and outputs are scanned over. `vmap` then puts time first and lanes second, so
  an iteration reads and writes one slice.
- The two sequences of a pair are two rows of one product.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import flatten_util, lax

from rnnjax.engine import unroll
from rnnjax.engine.weight_gradient import Carry, Inputs, Step


def unroll_pair(
    step: Step,
    a: Carry,
    b: Carry,
    z: Inputs,
    offset: int | jax.Array,
    length: int | jax.Array,
) -> tuple[Carry, Carry, jax.Array, jax.Array]:
    """`unroll.unroll_pair`, always with as many iterations as z has rows."""
    steps = jnp.arange(jax.tree.leaves(z)[0].shape[0])
    z_b = jax.tree.map(lambda leaf: jnp.roll(leaf, -offset, axis=0), z)

    def advance(pair: Carry, inputs: Any) -> tuple[Carry, jax.Array]:
        t, *z_t = inputs
        new, y = jax.vmap(step)(pair, _stacked(*z_t))
        live = t < length
        pair = jax.tree.map(lambda x, old: jnp.where(live, x, old), new, pair)
        return pair, jnp.where(live, y, 0)

    pair, y = lax.scan(advance, _stacked(a, b), (steps, z, z_b))
    a = jax.tree.map(lambda leaf: leaf[0], pair)
    b = jax.tree.map(lambda leaf: leaf[1], pair)
    return a, b, y[:, 0], y[:, 1]


def unroll_tangent(
    step: Step, carry: Carry, tangent: Carry, z: Inputs, every: int
) -> tuple[Carry, Carry, jax.Array]:
    """`unroll.unroll_tangent`."""

    def advance(state: Any, z_t: Inputs) -> tuple[Any, None]:
        carry, tangent = state
        return jax.jvp(lambda c: step(c, z_t)[0], (carry,), (tangent,)), None

    def interval(state: Any, block: Inputs) -> tuple[Any, jax.Array]:
        (carry, tangent), _ = lax.scan(advance, state, block)
        tangent, growth = unroll.rescaled(tangent)
        return (carry, tangent), growth

    (carry, tangent), growth = lax.scan(interval, (carry, tangent), _blocks(z, every))
    return carry, tangent, growth


def unroll_frame(
    step: Step, carry: Carry, frame: jax.Array, z: Inputs, every: int
) -> tuple[jax.Array, jax.Array]:
    """`unroll.unroll_frame`."""
    flat, unravel = flatten_util.ravel_pytree(carry)
    advance_frame = unroll.frame_step(step, unravel)

    def advance(state: Any, z_t: Inputs) -> tuple[Any, None]:
        point, frame = state
        return advance_frame(point, frame, z_t), None

    def interval(state: Any, block: Inputs) -> tuple[Any, jax.Array]:
        (point, frame), _ = lax.scan(advance, state, block)
        frame, growth = unroll.orthonormal(frame)
        return (point, frame), growth

    (_, frame), growth = lax.scan(interval, (flat, frame), _blocks(z, every))
    return frame, growth


def _stacked(a: Any, b: Any) -> Any:
    """Two trees as one, of arrays `[2, ...]`."""
    return jax.tree.map(lambda x, y: jnp.stack([x, y]), a, b)


def _blocks(z: Inputs, every: int) -> Inputs:
    """z `[T, ...]` as `[T // every, every, ...]`; a rest is left out."""

    def split(leaf: jax.Array) -> jax.Array:
        count = len(leaf) // every
        return leaf[: count * every].reshape(count, every, *leaf.shape[1:])

    return jax.tree.map(split, z)
