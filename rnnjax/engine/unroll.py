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
from jax.extend import core

from rnnjax.engine.updates import global_norm

Step = Callable
STRAIGHT = 12  # steps


def _at(z, t):
    return jax.tree.map(
        lambda leaf: lax.dynamic_index_in_dim(leaf, t, keepdims=False), z
    )


def unroll(step: Step, carry, z):
    """All steps of z `[T, ...]`: the last carry, and the outputs y `[T, H]`. A short loop is written out.

    Its gradient with respect to a matrix U of a product a_t U within `step` is found as one product after the loop,
    sum_t a_t^T d_t, from the a_t that were kept and the gradients d_t of the products; in the loop, it would be a product and a
    sum as large as U at every step. This holds for every matrix that `step` closes over and multiplies with as it is.
    """
    return _scan(step, carry, z, jax.tree.leaves(z)[0].shape[0])


def from_start(step: Step, start, z):
    """`unroll` of z `[T, B, ...]` from a state `start` `[H]` that the whole batch shares: the last carry [B, H], y `[T, B, H]`."""
    first = jax.tree.map(lambda leaf: leaf[0], z)
    if jax.tree.leaves(z)[0].shape[0] > STRAIGHT:
        batch = jax.tree.leaves(first)[0].shape[0]
        return unroll(
            step,
            jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape)), start
            ),
            z,
        )
    carry, y = step(start, first)  # its products are of one row
    carry, ys = unroll(step, carry, jax.tree.map(lambda leaf: leaf[1:], z))
    return carry, jnp.concatenate([y[None], ys])


def repeat(step: Step, carry, z, steps: int):
    """`steps` steps that all see the same z `[...]`: the last carry, and the outputs y `[steps, H]`; see `unroll`."""
    return _scan(lambda carry, _: step(carry, z), carry, None, steps)


def _scan(step: Step, carry, z, steps: int):
    """`unroll`, or `repeat` where z is None.

    Every product with a matrix that `step` closes over has a tap: zeros that count as added to it, whose gradient is the product's.
    The matrix itself is held constant within the loop.
    """
    row = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), z)
    closed, shapes = jax.make_jaxpr(step, return_shape=True)(carry, row)
    jaxpr, tree = closed.jaxpr, jax.tree.structure(shapes)
    if steps == 0:
        return carry, jnp.zeros((0, *shapes[1].shape), shapes[1].dtype)
    products = [eqn for eqn in jaxpr.eqns if _multiplies(eqn, jaxpr.constvars)]
    inputs = jaxpr.invars[len(jax.tree.leaves(carry)) :]
    sums = [_added_to(jaxpr, eqn, inputs) for eqn in products]

    def loop(weights, carry, z, taps):
        def body(carry, row):
            row, taps = row
            out, factors = _evaluate(
                jaxpr,
                weights,
                jax.tree.leaves((carry, row)),
                dict(zip(map(id, products), taps)),
            )
            carry, y = jax.tree.unflatten(tree, out)
            return carry, (y, factors)

        body = jax.checkpoint(
            body, prevent_cse=False, policy=jax.checkpoint_policies.dots_saveable
        )
        carry, (y, factors) = lax.scan(
            body, carry, (z, taps), length=steps, unroll=steps <= STRAIGHT
        )
        return (carry, y), factors

    @jax.custom_vjp
    def run(weights, carry, z):
        return loop(weights, carry, z, [None] * len(products))[0]

    def forward(weights, carry, z):
        outs = [eqn.outvars[0].aval for eqn in products]
        taps = [
            jnp.zeros((steps, *(out.shape if k is None else ())), out.dtype)
            for k, out in zip(sums, outs)
        ]
        out, back, factors = jax.vjp(loop, weights, carry, z, taps, has_aux=True)
        return out, (back, factors)

    def backward(kept, gradient):
        back, factors = kept
        weights, carry, z, taps = back(gradient)
        for eqn, a, tap, k in zip(products, factors, taps, sums):
            d = tap if k is None else jax.tree.leaves(z)[k]
            which = jaxpr.constvars.index(eqn.invars[1])
            rows = tuple(range(a.ndim - 1))
            weights[which] = weights[which] + jnp.tensordot(a, d, (rows, rows)).astype(
                weights[which].dtype
            )
        return weights, carry, z

    run.defvjp(forward, backward)
    return run(closed.consts, carry, z)


def _added_to(jaxpr, product, inputs) -> int | None:
    """Which of the inputs a product is added to, if both are used for that alone: the two then have one gradient."""
    (out,) = product.outvars
    users = [eqn for eqn in jaxpr.eqns if out in eqn.invars]
    if len(users) != 1 or users[0].primitive is not lax.add_p or out in jaxpr.outvars:
        return None
    other = next((x for x in users[0].invars if x is not out), None)
    for k, x in enumerate(inputs):
        if (
            x is other
            and x.aval.shape == out.aval.shape
            and sum(x in eqn.invars for eqn in jaxpr.eqns) == 1
            and x not in jaxpr.outvars
        ):
            return k
    return None


def _multiplies(eqn, weights) -> bool:
    """Whether an equation is a U, for rows a `[..., H]` and one of the weights, a matrix U."""
    if (
        eqn.primitive is not lax.dot_general_p
        or eqn.invars[1] not in weights
        or eqn.invars[0] in weights
    ):
        return False
    last = eqn.invars[0].aval.ndim - 1
    return eqn.invars[1].aval.ndim == 2 and eqn.params["dimension_numbers"] == (
        ((last,), (0,)),
        ((), ()),
    )


def _evaluate(jaxpr, weights, arguments, taps: dict):
    """The outputs of `jaxpr`, and the left factors of the products that have a tap."""
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*weights, *arguments]))
    factors = []
    for eqn in jaxpr.eqns:
        values = [
            x.val if isinstance(x, core.Literal) else known[x] for x in eqn.invars
        ]
        if taps.get(id(eqn)) is not None:
            factors.append(values[0])
            out = [
                _tapped(
                    functools.partial(lax.dot_general_p.bind, **eqn.params),
                    *values,
                    taps[id(eqn)],
                )
            ]
        else:
            bound = eqn.primitive.get_bind_params(eqn.params)
            functions, parameters = (
                bound if isinstance(bound, tuple) else ((), bound)
            )  # a tuple before JAX 0.12
            out = eqn.primitive.bind(*functions, *values, **parameters)
            out = out if eqn.primitive.multiple_results else [out]
        known.update(zip(eqn.outvars, out))
    return [
        x.val if isinstance(x, core.Literal) else known[x] for x in jaxpr.outvars
    ], factors


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _tapped(product: Callable, a, kernel, tap):
    """a U, whose derivative with respect to U is left out, and with respect to `tap` is that of a sum with it."""
    del tap
    return product(a, kernel)


@_tapped.defjvp
def _tapped_derivative(product, values, tangents):
    a, kernel, _ = values
    value, tangent = product(a, kernel), product(tangents[0], kernel)
    return value, tangent + tangents[2] if jnp.shape(tangents[2]) == jnp.shape(
        tangent
    ) else tangent


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
        # Read apart from what follows: XLA then adds the products to them at once, 1.2 to 1.6 times faster on a CPU.
        row_a, row_b = lax.optimization_barrier((_at(z, t), _at(z, t + offset)))
        a, y_a = step(a, row_a)
        b, y_b = step(b, row_b)
        return (
            a,
            b,
            lax.dynamic_update_index_in_dim(ya, y_a, t, 0),
            lax.dynamic_update_index_in_dim(yb, y_b, t, 0),
        )

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
        carry, tangent = lax.fori_loop(
            k * every, (k + 1) * every, push, (carry, tangent)
        )
        norm = global_norm(tangent)
        scale = jnp.where(norm > 0, 1 / norm, 0)
        tangent = jax.tree.map(lambda leaf: leaf * scale.astype(leaf.dtype), tangent)
        return carry, tangent, growth.at[k].set(jnp.log(norm))

    intervals = jax.tree.leaves(z)[0].shape[0] // every
    return lax.fori_loop(
        0, intervals, interval, (carry, tangent, jnp.zeros(intervals, jnp.float32))
    )


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
        frame = jax.vmap(lambda direction: jax.jvp(follow, (point,), (direction,))[1])(
            frame
        )
        return follow(point), frame

    def interval(k, state):
        point, frame, growth = state
        point, frame = lax.fori_loop(k * every, (k + 1) * every, push, (point, frame))
        q, r = jnp.linalg.qr(frame.T)
        return (
            point,
            q.T,
            growth.at[k].set(jnp.log(jnp.abs(jnp.diagonal(r))).astype(jnp.float32)),
        )

    intervals = jax.tree.leaves(z)[0].shape[0] // every
    growth = jnp.zeros((intervals, len(frame)), jnp.float32)
    return lax.fori_loop(0, intervals, interval, (flat, frame, growth))[1:]
