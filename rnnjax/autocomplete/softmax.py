"""Softmax cross-entropy over many classes, without the logits of all positions.

The positions are processed in chunks: only the logits [C, V] of one chunk exist at a
time, never all [N, V]. Positions of weight 0 are skipped. N positions, H hidden units,
V classes, C positions in a chunk.

Matrix products take both operands in the wider of their two types and accumulate in
float32 (in float64 if the operands are float64); everything after them has that type.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

CHUNK = 256  # positions

Gradients = tuple[jax.Array, jax.Array, jax.Array]  # of y, the kernel and the bias


def cross_entropy(
    y: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    chunk: int = CHUNK,
) -> tuple[jax.Array, jax.Array]:
    """The weighted sum of the cross-entropy over all positions, in nats.

    With the logits z = y W + b, the target class t(n) and the weight w_n of position n,

        loss = sum_n w_n (ln sum_v exp(z_nv) - z_n,t(n)).

    Its gradients follow from those of the logits, d [N, V]:

        d_nv = w_n (softmax(z_n)_v - [v = t(n)])
        dloss/dy = d W^T,    dloss/dW = y^T d,    dloss/db = sum_n d_n.

    When the function is differentiated, one pass over the chunks computes the loss and
    its gradients, as in Hsu et al. 2024, "Liger Kernel", because the logits are at hand
    then: three matrix products a chunk (z, d W^T, y^T d), where recomputing the logits
    in a backward pass would take four. The gradients, as large as y, W and b, are kept
    for the backward pass, which multiplies them by the gradient of the loss.

    Args:
      y: outputs of the last layer, [N, H].
      kernel: W, [H, V].
      bias: b, [V].
      target: integers [N], from 0 to V - 1 where the weight is not 0.
      weight: w, [N], held constant: its gradient is zero.
      chunk: the largest number of positions in a chunk.

    Returns:
      The loss, and the sum of the weights.
    """
    y, kernel, bias, target, weight = _promote(y, kernel, bias, target, weight)
    return _loss(y, kernel, bias, target, weight, chunk), jnp.sum(weight)


def ranks(
    y: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    chunk: int = CHUNK,
) -> tuple[jax.Array, jax.Array]:
    """The loss of each position, and the number of classes more likely than its target.

    A target is among the k most likely classes if its rank is below k. Classes as
    likely as the target do not count; classes whose logit is NaN do, and so do all if
    the target's is NaN.

    Args:
      y, kernel, bias, target, weight, chunk: as for `cross_entropy`.

    Returns:
      The loss in nats, not multiplied by the weight, [N], and the rank, int32 [N]. Both
      are 0 at positions of weight 0.
    """
    y, kernel, bias, target, weight = _promote(y, kernel, bias, target, weight)

    def write_ranks(state, indices, y, target, weight):
        losses, ranks = state
        logits, target_logit, _, loss = _softmax(y, kernel, bias, target)
        rank = jnp.sum(~(logits <= target_logit), axis=1, dtype=jnp.int32)
        return _set_rows(losses, indices, loss), _set_rows(ranks, indices, rank)

    zeros = jnp.zeros_like(weight), jnp.zeros_like(weight, jnp.int32)
    return _fold_chunks(write_ranks, zeros, y, target, weight, chunk)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def _loss(
    y: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    chunk: int,
) -> jax.Array:
    """The loss of `cross_entropy`, where it is not differentiated."""

    def add_loss(total, indices, y, target, weight):
        return total + _weighted_sum(_softmax(y, kernel, bias, target)[-1], weight)

    zero = jnp.zeros_like(weight, shape=())
    return _fold_chunks(add_loss, zero, y, target, weight, chunk)


def _loss_and_gradients(
    y: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    chunk: int,
) -> tuple[jax.Array, Gradients]:
    """The forward pass of the derivative: the loss, and the gradients for the backward.

    The gradient of W is accumulated transposed, [V, H], as d^T y.
    """
    product = functools.partial(lax.dot_general, preferred_element_type=weight.dtype)

    def add_loss_and_gradients(state, indices, y, target, weight):
        total, y_gradient, kernel_gradient, bias_gradient = state
        _, _, p, loss = _softmax(y, kernel, bias, target)
        d = (p - (jnp.arange(len(bias)) == target[:, None])) * weight[:, None]
        bias_gradient = bias_gradient + jnp.sum(d, axis=0)
        d = d.astype(y.dtype)
        d_kernel = product(d, kernel, (((1,), (1,)), ((), ())))  # d W^T, [C, H]
        y_gradient = _set_rows(y_gradient, indices, d_kernel.astype(y.dtype))
        d_y = product(d, y, (((0,), (0,)), ((), ())))  # d^T y, [V, H]
        kernel_gradient = kernel_gradient + d_y
        total = total + _weighted_sum(loss, weight)
        return total, y_gradient, kernel_gradient, bias_gradient

    zeros = (
        jnp.zeros_like(weight, shape=()),
        jnp.zeros_like(y),
        jnp.zeros_like(kernel.T, weight.dtype),
        jnp.zeros_like(bias),
    )
    total, y_gradient, kernel_gradient, bias_gradient = _fold_chunks(
        add_loss_and_gradients, zeros, y, target, weight, chunk
    )
    return total, (y_gradient, kernel_gradient.T, bias_gradient)


def _scale_gradients(
    chunk: int, gradients: Gradients, g: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, None, None]:
    """The backward pass: the gradients times `g`, the gradient of the loss itself."""
    y, kernel, bias = gradients
    return (g * y).astype(y.dtype), (g * kernel).astype(y.dtype), g * bias, None, None


_loss.defvjp(_loss_and_gradients, _scale_gradients)


def _fold_chunks(
    step: Callable[..., Any],
    state: Any,
    y: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    chunk: int,
) -> Any:
    """Applies `state = step(state, indices, y, target, weight)` to one chunk at a time.

    `indices` [C] are the chunk's positions among the N, and the other arguments are
    gathered there. Only positions of nonzero weight are in a chunk, and there are only
    as many iterations as these need; the last chunk is padded. With N = 5, chunks of 2
    and weights 1, 0, 1, 0, 1,

        iteration 0     indices 0, 2
        iteration 1     indices 4, 5

    where N = 5 is the index of padding: it gathers zeros (weight 0, so that it adds
    nothing), and `_set_rows` ignores it.

    The chunks are made equally large: 10 positions in chunks of at most 8 are twice 5.
    """
    n = len(weight)
    max_chunks = -(-n // chunk)
    chunk = -(-n // max_chunks)
    positions = jnp.nonzero(weight, size=max_chunks * chunk, fill_value=n)[0]

    def iteration(k, state):
        indices = lax.dynamic_slice_in_dim(positions, k * chunk, chunk)
        gathered = (
            array.at[indices].get(mode="fill", fill_value=0)
            for array in (y, target, weight)
        )
        return step(state, indices, *gathered)

    num_chunks = -(-jnp.count_nonzero(weight) // chunk)
    return lax.fori_loop(0, _max_over_lanes(num_chunks), iteration, state)


@jax.custom_batching.custom_vmap
def _max_over_lanes(count: jax.Array) -> jax.Array:
    """The identity; under vmap, the maximum over lanes.

    It makes the trip count of a loop the same for all lanes. vmap turns a loop whose
    trip count differs between lanes into one that ends when all lanes are done, and
    that selects, for every lane and iteration, between the old and the new state: all
    gradients would be copied at each iteration. With a common trip count no select is
    needed: in the extra iterations of a lane all positions are padding, which adds 0.
    """
    return count


@_max_over_lanes.def_vmap
def _max_over_lanes_batched(
    axis_size: int, in_batched: list[bool], count: jax.Array
) -> tuple[jax.Array, bool]:
    """The result and whether it is batched; called again by an outer vmap, if any."""
    return _max_over_lanes(jnp.max(count)), False


def _softmax(
    y: jax.Array, kernel: jax.Array, bias: jax.Array, target: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Logits [C, V], the target's [C, 1], probabilities [C, V] and losses [C].

    The largest logit is subtracted before the exponential, so that none overflows.
    """
    logits = jnp.matmul(y, kernel, preferred_element_type=bias.dtype) + bias
    target_logit = jnp.take_along_axis(logits, target[:, None], axis=1)
    largest = jnp.max(logits, axis=1, keepdims=True)
    exps = jnp.exp(logits - largest)
    total = jnp.sum(exps, axis=1, keepdims=True)
    probabilities = exps / total
    loss = (largest - target_logit + jnp.log(total))[:, 0]
    return logits, target_logit, probabilities, loss


def _weighted_sum(loss: jax.Array, weight: jax.Array) -> jax.Array:
    """sum_n w_n loss_n; a NaN or infinite loss of weight 0 adds nothing."""
    return jnp.sum(jnp.where(weight != 0, loss * weight, 0))


def _set_rows(array: jax.Array, indices: jax.Array, rows: jax.Array) -> jax.Array:
    return array.at[indices].set(rows, mode="drop", unique_indices=True)


def _promote(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """y and W in one type, b and w in the type of sums; the targets are unchanged."""
    y, kernel, bias, target, weight = (jnp.asarray(array) for array in arrays)
    product_dtype = jnp.promote_types(y.dtype, kernel.dtype)
    sum_dtype = jnp.promote_types(product_dtype, jnp.float32)
    return (
        y.astype(product_dtype),
        kernel.astype(product_dtype),
        bias.astype(sum_dtype),
        target,
        weight.astype(sum_dtype),
    )
