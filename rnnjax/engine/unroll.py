"""Every loop over time.

A `step(carry, z_t) -> (carry, y_t)` is a cell's step with its parameters bound; z
`[T, ...]` are inputs that a cell has projected. On a CPU, XLA turns a loop into one
kernel as long as its body holds nothing but products of a matrix with one vector and
elementwise work; reductions and norms therefore stay outside the innermost loops.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import flatten_util, lax

from rnnjax.engine import weight_gradient
from rnnjax.engine.updates import global_norm
from rnnjax.engine.weight_gradient import Carry, Inputs, Step

MAX_WRITTEN_OUT = 12  # steps of a loop that is compiled as straight code


def unroll(step: Step, carry: Carry, z: Inputs) -> tuple[Carry, jax.Array]:
    """All steps of z `[T, ...]`: the last carry, and the outputs y `[T, ..., H]`.

    The gradient of a matrix that `step` closes over is computed after the loop; see
    `weight_gradient`.
    """
    length = _length(z)
    return weight_gradient.scan(step, carry, z, length, length <= MAX_WRITTEN_OUT)


def from_start(step: Step, start: Carry, z: Inputs) -> tuple[Carry, jax.Array]:
    """`unroll` of z `[T, B, ...]` from a state that the whole batch shares.

    The state `start` has arrays `[H]`; the last carry has arrays `[B, H]`, and the
    outputs y are `[T, B, H]`.
    """
    first = jax.tree.map(lambda leaf: leaf[0], z)
    if _length(z) > MAX_WRITTEN_OUT:
        batch = _length(first)
        carry = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape)), start
        )
        return unroll(step, carry, z)
    # The first step of a short loop has products of one row, for the whole batch.
    carry, y_first = step(start, first)
    carry, y = unroll(step, carry, jax.tree.map(lambda leaf: leaf[1:], z))
    return carry, jnp.concatenate([y_first[None], y])


def trajectory(
    step: Step, carry: Carry, z: Inputs
) -> tuple[Carry, tuple[Carry, jax.Array]]:
    """All steps of z `[T, ...]`: the last carry, and all carries and outputs.

    The same loop serves one lane and many.
    """

    def advance(carry: Carry, z_t: Inputs) -> tuple[Carry, tuple[Carry, jax.Array]]:
        carry, y = step(carry, z_t)
        return carry, (carry, y)

    return lax.scan(advance, carry, z)


def response(
    step: Step, carry: Carry, tangent: Carry, z: Inputs, dz: Inputs
) -> tuple[Carry, Carry, tuple[Carry, jax.Array]]:
    """All steps of a trajectory and a disturbance of it, which inputs disturb as well.

    The disturbance of the state follows v_t = (dh_t / dh_(t-1)) v_(t-1) +
    (dh_t / dz_t) dz_t. Returns the carry, its disturbance, and those of all carries and
    outputs.
    """

    def advance(state: Any, inputs: Any) -> Any:
        (carry, tangent), (z_t, dz_t) = state, inputs
        (carry, _), (tangent, dy) = jax.jvp(step, (carry, z_t), (tangent, dz_t))
        return (carry, tangent), (tangent, dy)

    (carry, tangent), kept = lax.scan(advance, (carry, tangent), (z, dz))
    return carry, tangent, kept


def repeat(
    step: Step, carry: Carry, z_t: Inputs, steps: int
) -> tuple[Carry, jax.Array]:
    """`unroll` of `steps` steps that all have the same input z_t `[...]`."""

    def same_input(carry: Carry, _: None) -> tuple[Carry, jax.Array]:
        return step(carry, z_t)

    return weight_gradient.scan(
        same_input, carry, None, steps, unroll=steps <= MAX_WRITTEN_OUT
    )


def affine_scan(a: jax.Array, b: jax.Array, h: jax.Array) -> jax.Array:
    """h_t = a_t h_(t-1) + b_t for all t, in parallel.

    a and b are `[T, H]`, h `[H]` is the state before the first step; returns `[T, H]`.
    """

    def compose(first: Any, second: Any) -> Any:
        return first[0] * second[0], second[0] * first[1] + second[1]

    factors, offsets = lax.associative_scan(compose, (a, b))
    return factors * h + offsets


def unroll_pair(
    step: Step,
    a: Carry,
    b: Carry,
    z: Inputs,
    offset: int | jax.Array,
    length: int | jax.Array,
) -> tuple[Carry, Carry, jax.Array, jax.Array]:
    """Two trajectories through one loop body.

    At time t, trajectory a has the input z_t and trajectory b the input z_(t + offset),
    of z `[C, ...]`; with `offset` 0 both have the same. `length` <= C - `offset` steps
    are made; both numbers may be traced, so one program serves every phase of a run.

    Returns the two carries and the two outputs `[C, H]`, which are 0 from `length` on.
    """
    y = jax.eval_shape(step, a, _at(z, 0))[1]
    outputs = jnp.zeros((_length(z), *y.shape), y.dtype)

    def body(t: jax.Array, state: Any) -> Any:
        a, b, y_a, y_b = state
        # Read apart from the step: XLA then adds an input to a product within the
        # kernel of the product, which is 1.2 to 1.6 times faster on a CPU.
        z_a, z_b = lax.optimization_barrier((_at(z, t), _at(z, t + offset)))
        a, y_a_t = step(a, z_a)
        b, y_b_t = step(b, z_b)
        y_a = lax.dynamic_update_index_in_dim(y_a, y_a_t, t, 0)
        y_b = lax.dynamic_update_index_in_dim(y_b, y_b_t, t, 0)
        return a, b, y_a, y_b

    return lax.fori_loop(0, length, body, (a, b, outputs, outputs))


def unroll_tangent(
    step: Step, carry: Carry, tangent: Carry, z: Inputs, every: int
) -> tuple[Carry, Carry, jax.Array]:
    """A trajectory and an infinitesimal disturbance of it, v_t = (dh_t / dh_(t-1)) v.

    After every `every` steps, ln |v| is kept and v is scaled back to norm 1. Returns
    the carry, the disturbance, and ln |v| before each scaling `[T // every]`. A
    disturbance that has become exactly 0 stays 0, with ln |v| = -inf.
    """

    def advance(t: jax.Array, state: Any) -> Any:
        carry, tangent = state
        z_t = _at(z, t)
        return jax.jvp(lambda c: step(c, z_t)[0], (carry,), (tangent,))

    def interval(k: jax.Array, state: Any) -> Any:
        carry, tangent, growth = state
        carry, tangent = lax.fori_loop(
            k * every, (k + 1) * every, advance, (carry, tangent)
        )
        tangent, logarithm = rescaled(tangent)
        return carry, tangent, growth.at[k].set(logarithm)

    intervals = _length(z) // every
    growth = jnp.zeros(intervals, jnp.float32)
    return lax.fori_loop(0, intervals, interval, (carry, tangent, growth))


def unroll_frame(
    step: Step, carry: Carry, frame: jax.Array, z: Inputs, every: int
) -> tuple[jax.Array, jax.Array]:
    """A trajectory and a frame of S orthonormal disturbances of its S numbers.

    The rows of the frame `[S, S]` follow the derivative of `step`, and are made
    orthonormal again by QR after every `every` steps (Benettin et al. 1980). QR needs
    float32 or wider, so the frame may be wider than the carry. Returns the frame, and
    the logarithm of the growth of each direction before each QR `[T // every, S]`, -inf
    where it is 0.
    """
    flat, unravel = flatten_util.ravel_pytree(carry)
    advance_frame = frame_step(step, unravel)

    def advance(t: jax.Array, state: Any) -> Any:
        point, frame = state
        return advance_frame(point, frame, _at(z, t))

    def interval(k: jax.Array, state: Any) -> Any:
        point, frame, growth = state
        point, frame = lax.fori_loop(
            k * every, (k + 1) * every, advance, (point, frame)
        )
        frame, logarithms = orthonormal(frame)
        return point, frame, growth.at[k].set(logarithms)

    intervals = _length(z) // every
    growth = jnp.zeros((intervals, len(frame)), jnp.float32)
    _, frame, growth = lax.fori_loop(0, intervals, interval, (flat, frame, growth))
    return frame, growth


def rescaled(tangent: Carry) -> tuple[Carry, jax.Array]:
    """A disturbance scaled to norm 1, and the logarithm of its norm before.

    One that is exactly 0 stays 0, with -inf.
    """
    norm = global_norm(tangent)
    scale = jnp.where(norm > 0, 1 / norm, 0)
    scaled = jax.tree.map(lambda leaf: leaf * scale.astype(leaf.dtype), tangent)
    return scaled, jnp.log(norm)


def frame_step(
    step: Step, unravel: Callable[[jax.Array], Carry]
) -> Callable[[jax.Array, jax.Array, Inputs], tuple[jax.Array, jax.Array]]:
    """A step of a state as one vector `[S]`, and of the frame `[S, S]` around it."""

    def advance(
        point: jax.Array, frame: jax.Array, z_t: Inputs
    ) -> tuple[jax.Array, jax.Array]:
        def flat_step(point: jax.Array) -> jax.Array:
            return flatten_util.ravel_pytree(step(unravel(point), z_t)[0])[0]

        def derivative(direction: jax.Array) -> jax.Array:
            tangent = direction.astype(point.dtype)
            return jax.jvp(flat_step, (point,), (tangent,))[1].astype(direction.dtype)

        frame = jax.vmap(derivative)(frame)
        return flat_step(point), frame

    return advance


def orthonormal(frame: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The rows of a frame made orthonormal, and the logarithm of their lengths."""
    q, r = jnp.linalg.qr(frame.T)
    return q.T, jnp.log(jnp.abs(jnp.diagonal(r))).astype(jnp.float32)


def _length(z: Inputs) -> int:
    """The size of the first axis."""
    return jax.tree.leaves(z)[0].shape[0]


def _at(z: Inputs, t: int | jax.Array) -> Any:
    return jax.tree.map(
        lambda leaf: lax.dynamic_index_in_dim(leaf, t, keepdims=False), z
    )
