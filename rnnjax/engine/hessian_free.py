"""Hessian-free optimization: a step solves for the minimum of a quadratic model.

A network with parameters v has outputs z(v) and a loss L(z) that is convex in them.
With the gradient g of L(z(v)), the Jacobian J of z, and the Hessian H of L at z, the
loss of v + d is close to that plus

    q(d) = g.d + d.G d / 2,    G = J^T H J,

where G, the Gauss-Newton matrix, has no negative eigenvalue. One step (Martens 2010)
computes by conjugate gradients, from 0.95 times the last d, an approximate solution of

    (G + damping (I + structural S)) d = -g,

and goes to v + d if the loss is less there. G is never computed: its product with a
vector is one forward pass of tangents, through J, and one backward pass, through J^T.
S = K^T K / n, with the Jacobian K of the n vectors of hidden units, resists a change of
these (Martens and Sutskever 2011, with the squared distance). The damping follows the
rule of Levenberg and Marquardt: with the ratio

    (L(z(v + d)) - L(z(v))) / q(d)

of the change of the loss to that of the model, it is divided by 1.5 above 3/4 and
multiplied by 1.5 below 1/4. The model of the ratio is that without damping, so on a
quadratic the ratio is 1 and the damping fades.

The data should be the same, or many, in all evaluations of a step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from rnnjax.engine import mesh, updates, weight_gradient
from rnnjax.engine.optimizers import Hyperparameter
from rnnjax.engine.updates import NOT_DIVERGED, Params
from rnnjax.settings import Range

KEPT = (
    0.95  # of the last change of the parameters, where the next search for one starts
)
LOW_RATIO, HIGH_RATIO = 1 / 4, 3 / 4
FACTOR = 1.5  # on the damping
MIN_DAMPING, MAX_DAMPING = 1e-10, 1e10  # from which it can come back

# For random search; `structural` is 0 unless it is given.
HYPERPARAMETERS = {
    "damping": Hyperparameter("damping of the first step", 1.0, Range(1e-2, 1e2))
}

Linear = Callable[[Any], Any]


class State(NamedTuple):
    """What a step changes.

    Attributes:
      params: the parameters.
      change: that of the last step; 0 if it was rejected.
      damping: how much the next step is damped.
      diverged: int32, the index of the step that was not finite, or -1.
      updates: int32, steps that were accepted.
      evaluations: int32, what all steps cost, in gradients: one for the gradient of a
        step, one for each product with the matrix, and one for the loss after it.
    """

    params: Params
    change: Params
    damping: jax.Array
    diverged: jax.Array
    updates: jax.Array
    evaluations: jax.Array


class Model(NamedTuple):
    """The quadratic model at some parameters.

    Attributes:
      value: the loss.
      gradient: g.
      product: of G with a vector.
      structural: of S with a vector.
    """

    value: jax.Array
    gradient: Params
    product: Linear
    structural: Linear


def init(params: Params, damping: float | jax.Array = 1.0) -> State:
    """The state before the first step."""
    zero = jnp.int32(0)
    return State(
        params=params,
        change=optax.tree.zeros_like(params),
        damping=jnp.float32(damping),
        diverged=jnp.int32(NOT_DIVERGED),
        updates=zero,
        evaluations=zero,
    )


def step(
    state: State,
    index: jax.Array,
    outputs_fn: Callable[[Params], tuple[Any, Any]],
    loss_of_outputs: Callable[[Any], jax.Array],
    *,
    iterations: int,
    tolerance: float | jax.Array = 1e-3,
    structural: float | jax.Array | None = None,
    live: jax.Array | None = None,
) -> tuple[State, jax.Array]:
    """One step, see the equations above; returns the loss before it.

    `outputs_fn` returns the outputs and the hidden units `[..., H]`, of which the
    latter are used with `structural` alone and may be None without. There are at most
    `iterations` of conjugate gradients: they end when the residual is less than
    `tolerance` times the gradient. As in `updates.step`, a step whose loss or gradient
    is not finite, and all later ones, change nothing, nor does one that is not `live`.
    A loss that is not finite after the step rejects it.
    """
    model = gauss_newton(state.params, outputs_fn, loss_of_outputs)
    finite = jnp.isfinite(model.value)
    finite &= jnp.isfinite(updates.global_norm(model.gradient))
    valid = finite & (state.diverged < 0)
    if live is not None:
        valid, finite = valid & live, finite | ~live

    def damped(vector: Params) -> Params:
        resisted = vector
        if structural is not None:
            resisted = _plus(vector, structural, model.structural(vector))
        return _plus(model.product(vector), state.damping, resisted)

    change, products = conjugate_gradients(
        damped,
        optax.tree.scale(-1, model.gradient),
        optax.tree.scale(KEPT, state.change),
        iterations,
        tolerance,
    )
    params = _plus(state.params, 1, change)
    value = loss_of_outputs(outputs_fn(params)[0])
    accepted = valid & (value < model.value)  # false for NaN
    half = optax.tree.scale(0.5, model.product(change))
    predicted = optax.tree.vdot(change, _plus(model.gradient, 1, half))
    damping = next_damping(state.damping, (value - model.value) / predicted)
    after = State(
        params=_where(accepted, params, state.params),
        change=_where(accepted, change, optax.tree.zeros_like(change)),
        damping=jnp.where(valid, damping, state.damping),
        diverged=jnp.where(finite | (state.diverged >= 0), state.diverged, index),
        updates=state.updates + accepted,
        # The gradient, the last product of the model, and the loss after the step.
        evaluations=state.evaluations + jnp.where(valid, 3 + products, 0),
    )
    return after, model.value


def gauss_newton(
    params: Params,
    outputs_fn: Callable[[Params], tuple[Any, Any]],
    loss_of_outputs: Callable[[Any], jax.Array],
) -> Model:
    """The model of `step` at some parameters."""
    with weight_gradient.linearizable():
        (outputs, hidden), tangents = jax.linearize(outputs_fn, params)
    backward = jax.linear_transpose(tangents, params)
    value, slope = jax.value_and_grad(loss_of_outputs)(outputs)
    _, hessian = jax.linearize(jax.grad(loss_of_outputs), outputs)
    still, no_slope = optax.tree.zeros_like(hidden), optax.tree.zeros_like(outputs)

    def product(vector: Params) -> Params:
        return backward((hessian(tangents(vector)[0]), still))[0]

    def structural(vector: Params) -> Params:
        moved = jax.tree.map(
            lambda leaf: leaf * leaf.shape[-1] / leaf.size, tangents(vector)[1]
        )
        return backward((no_slope, moved))[0]

    return Model(value, backward((slope, still))[0], product, structural)


def conjugate_gradients(
    product: Linear,
    b: Params,
    start: Params,
    most: int,
    tolerance: float | jax.Array,
) -> tuple[Params, jax.Array]:
    """x with `product(x)` close to b, and how many products that took.

    The product is that of a positive definite matrix. The loop is one of ours because
    `jax.scipy.sparse.linalg.cg` does not say how often it went round, and because lanes
    that advance together need a loop of known length: they always take `most` + 1
    products, of which those after the end change nothing.
    """
    enough = tolerance**2 * optax.tree.norm(b, squared=True)

    def unfinished(carry: Any) -> jax.Array:
        *_, square, k = carry
        return (square > enough) & (k < most)  # false for NaN

    def body(carry: Any) -> Any:
        x, residual, direction, square, k = carry
        image = product(direction)
        length = square / optax.tree.vdot(direction, image)
        x = _plus(x, length, direction)
        residual = _plus(residual, -length, image)
        new_square = optax.tree.norm(residual, squared=True)
        direction = _plus(residual, new_square / square, direction)
        return x, residual, direction, new_square, k + 1

    residual = _plus(b, -1, product(start))
    square = optax.tree.norm(residual, squared=True)
    carry = start, residual, residual, square, jnp.int32(0)
    if mesh.together():
        carry = lax.fori_loop(
            0,
            most,
            lambda _, carry: _where(unfinished(carry), body(carry), carry),
            carry,
        )
    else:
        carry = lax.while_loop(unfinished, body, carry)
    return carry[0], carry[-1] + 1


def next_damping(damping: jax.Array, ratio: jax.Array) -> jax.Array:
    """The damping after a step; a ratio of NaN counts as low."""
    lower = jnp.where(ratio > HIGH_RATIO, damping / FACTOR, damping)
    damping = jnp.where(ratio >= LOW_RATIO, lower, damping * FACTOR)
    return jnp.clip(damping, MIN_DAMPING, MAX_DAMPING)


def _plus(a: Params, factor: float | jax.Array, b: Params) -> Params:
    """a + factor b, in the types of a."""
    return jax.tree.map(lambda x, y: (x + factor * y).astype(x.dtype), a, b)


def _where(condition: jax.Array, a: Any, b: Any) -> Any:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
