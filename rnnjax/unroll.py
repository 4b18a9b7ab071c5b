"""Every loop over time.

A `step(carry, z) -> (carry, y)` is a cell's step with its parameters bound; z `[T, ...]` are inputs a cell has
projected. On a CPU, XLA turns a loop into one kernel as long as its body holds nothing but products of a matrix with
one vector and elementwise work; reductions and norms therefore stay outside the innermost loops.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import flatten_util, lax

Step = Callable
STRAIGHT = 12  # steps


def _at(z, t):
    return jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, t, keepdims=False), z)


def unroll(step: Step, carry, z):
    """All steps of z `[T, ...]`: the last carry, and the outputs y `[T, H]`. A short loop is written out."""
    return lax.scan(step, carry, z, unroll=jax.tree.leaves(z)[0].shape[0] <= STRAIGHT)


def repeat(step: Step, carry, z, steps: int):
    """`steps` steps that all see the same z `[...]`: the last carry, and the outputs y `[steps, H]`."""
    return lax.scan(lambda carry, _: step(carry, z), carry, None, length=steps, unroll=steps <= STRAIGHT)


def affine_scan(a, b, h):
    """h_t = a_t h_(t-1) + b_t for all t at once: a, b `[T, H]`, h `[H]` the state before the first step; returns `[T, H]`."""

    def compose(first, second):
        return first[0] * second[0], second[0] * first[1] + second[1]

    factors, offsets = lax.associative_scan(compose, (a, b))
    return factors * h + offsets


def unroll_pair(step: Step, a, b, z, offset, length):
    """Two trajectories through one loop body.

    At time t trajectory a reads row t and trajectory b row `t + offset` of z `[C, ...]`: with `offset` 0 both see the
    same inputs. `length` <= C - `offset` steps are made; both numbers may be traced, so one program serves every phase
    of a run. Returns the two carries and the two outputs `[C, H]`, whose rows from `length` on are 0.
    """
    rows = jax.tree.leaves(z)[0].shape[0]
    y = jax.eval_shape(step, a, _at(z, 0))[1]
    outputs = jnp.zeros((rows, *y.shape), y.dtype)

    def body(t, state):
        a, b, ya, yb = state
        a, y_a = step(a, _at(z, t))
        b, y_b = step(b, _at(z, t + offset))
        return a, b, lax.dynamic_update_index_in_dim(ya, y_a, t, 0), lax.dynamic_update_index_in_dim(yb, y_b, t, 0)

    return lax.fori_loop(0, length, body, (a, b, outputs, outputs))


def unroll_tangent(step: Step, carry, tangent, z, every: int):
    """A trajectory and a small disturbance of it, whose growth is noted every `every` steps.

    The disturbance `tangent` has the shape of `carry` and follows the derivative of `step`. After each `every` steps it
    is scaled back to length 1. Returns the carry, the tangent and ln(length) before each scaling `[T // every]`; a
    disturbance that has become exactly 0 stays 0 and is noted as -inf.
    """

    def push(t, state):
        carry, tangent = state
        row = _at(z, t)
        return jax.jvp(lambda c: step(c, row)[0], (carry,), (tangent,))

    def interval(k, state):
        carry, tangent, growth = state
        carry, tangent = lax.fori_loop(k * every, (k + 1) * every, push, (carry, tangent))
        norm = global_norm(tangent)
        scale = jnp.where(norm > 0, 1 / norm, 0)
        tangent = jax.tree.map(lambda leaf: leaf * scale.astype(leaf.dtype), tangent)
        return carry, tangent, growth.at[k].set(jnp.log(norm))

    intervals = jax.tree.leaves(z)[0].shape[0] // every
    return lax.fori_loop(0, intervals, interval, (carry, tangent, jnp.zeros(intervals, jnp.float32)))


def unroll_frame(step: Step, carry, frame, z, every: int):
    """A trajectory and a frame of orthonormal disturbances `[S, S]` (a row each, over all S numbers of the state).

    The frame follows the derivative of `step` and is made orthonormal again by QR every `every` steps. Returns the frame and the
    logarithms of what each direction grew by before each QR `[T // every, S]`, -inf where it became 0.
    """
    flat, unflatten = flatten_util.ravel_pytree(carry)

    def advance(row, state):
        return flatten_util.ravel_pytree(step(unflatten(state), row)[0])[0]

    def push(t, state):
        point, frame = state
        follow = functools.partial(advance, _at(z, t))
        frame = jax.vmap(lambda direction: jax.jvp(follow, (point,), (direction,))[1])(frame)
        return follow(point), frame

    def interval(k, state):
        point, frame, growth = state
        point, frame = lax.fori_loop(k * every, (k + 1) * every, push, (point, frame))
        q, r = jnp.linalg.qr(frame.T)
        return point, q.T, growth.at[k].set(jnp.log(jnp.abs(jnp.diagonal(r))).astype(jnp.float32))

    intervals = jax.tree.leaves(z)[0].shape[0] // every
    growth = jnp.zeros((intervals, len(frame)), jnp.float32)
    return lax.fori_loop(0, intervals, interval, (flat, frame, growth))[1:]


def global_norm(tree) -> jax.Array:
    """The Euclidean length of all leaves together, float32 or wider."""
    squares = [jnp.sum(jnp.square(leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)))) for leaf in jax.tree.leaves(tree)]
    return jnp.sqrt(sum(squares)).astype(jnp.float32)
