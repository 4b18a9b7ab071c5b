"""Softmax cross-entropy over many classes, without the logits of all positions.

The positions are processed in chunks: only the logits [C, V] of one chunk exist at a
time, never all [N, V]. Positions of weight 0 are skipped, or, for lanes that advance
together, computed as zeros. N positions, H hidden units, V classes, C positions in a
chunk.

Matrix products take both operands in the wider of their two types and accumulate in
float32 (in float64 if the operands are float64); everything after them has that type.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engine.mesh import together

CHUNK = 256  # positions
TOGETHER_CHUNK = 2048  # of lanes that advance together; fewer and larger products

Gradients = tuple[jax.Array, jax.Array, jax.Array]  # of y, the kernel and the bias


def cross_entropy(
    y: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    chunk: int | None = None,
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
      chunk: the largest number of positions in a chunk; see `CHUNK`.

    Returns:
      The loss, and the sum of the weights.
    """
    y, kernel, bias, target, weight = _promote(y, kernel, bias, target, weight)
    loss = _loss(y, kernel, bias, target, weight, chunk or _default_chunk())
    return loss, jnp.sum(weight)


def ranks(
    y: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    chunk: int | None = None,
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

    def rank(carry, y, target, weight):
        logits, target_logit, _, loss = _softmax(y, kernel, bias, target)
        larger = ~(logits <= target_logit)
        return carry, (loss, jnp.sum(larger, axis=1, dtype=jnp.int32))

    chunk = chunk or _default_chunk()
    return _over_chunks(rank, (), y, target, weight, chunk)[1]


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

    def add_loss(total, y, target, weight):
        loss = _softmax(y, kernel, bias, target)[-1]
        return total + _weighted_sum(loss, weight), ()

    zero = jnp.zeros_like(weight, shape=())
    return _over_chunks(add_loss, zero, y, target, weight, chunk)[0]


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

    def add_loss_and_gradients(sums, y, target, weight):
        total, kernel_gradient, bias_gradient = sums
        _, _, p, loss = _softmax(y, kernel, bias, target)
        d = (p - (jnp.arange(len(bias)) == target[:, None])) * weight[:, None]
        bias_gradient = bias_gradient + jnp.sum(d, axis=0)
        d = d.astype(y.dtype)
        d_kernel = product(d, kernel, (((1,), (1,)), ((), ())))  # d W^T, [C, H]
        d_y = product(d, y, (((0,), (0,)), ((), ())))  # d^T y, [V, H]
        kernel_gradient = kernel_gradient + d_y
        total = total + _weighted_sum(loss, weight)
        return (total, kernel_gradient, bias_gradient), d_kernel.astype(y.dtype)

    zeros = (
        jnp.zeros_like(weight, shape=()),
        jnp.zeros_like(kernel.T, weight.dtype),
        jnp.zeros_like(bias),
    )
    sums, y_gradient = _over_chunks(
        add_loss_and_gradients, zeros, y, target, weight, chunk
    )
    total, kernel_gradient, bias_gradient = sums
    return total, (y_gradient, kernel_gradient.T, bias_gradient)


def _scale_gradients(
    chunk: int, gradients: Gradients, g: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, None, None]:
    """The backward pass: the gradients times `g`, the gradient of the loss itself."""
    y, kernel, bias = gradients
    return (g * y).astype(y.dtype), (g * kernel).astype(y.dtype), g * bias, None, None


_loss.defvjp(_loss_and_gradients, _scale_gradients)


def _default_chunk() -> int:
    return TOGETHER_CHUNK if together() else CHUNK


def _over_chunks(
    step: Callable[..., Any],
    carry: Any,
    y: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    chunk: int,
) -> tuple[Any, Any]:
    """Applies `carry, rows = step(carry, y, target, weight)` to one chunk at a time.

    The chunks are made equally large: 10 positions in chunks of at most 8 are twice 5.
    Returns the last carry, and the rows `[N, ...]` of all positions, which are 0 where
    the weight is.
    """
    count = -(-len(weight) // chunk)
    chunk = -(-len(weight) // count)
    loop = _every_chunk if together() else _nonzero_chunks
    return loop(step, carry, (y, target, weight), count, chunk)


def _nonzero_chunks(
    step: Callable[..., Any],
    carry: Any,
    arrays: tuple[jax.Array, jax.Array, jax.Array],
    count: int,
    chunk: int,
) -> tuple[Any, Any]:
    """`_over_chunks` of positions of nonzero weight, in as many chunks as they need.

    The others are in none. The last chunk is padded. With N = 5, chunks of 2 and
    weights 1, 0, 1, 0, 1,

        iteration 0     indices 0, 2
        iteration 1     indices 4, 5

    where N = 5 is the index of padding: it gathers zeros (weight 0, so that it adds
    nothing), and no row is written there.
    """
    weight = arrays[-1]
    n = len(weight)
    positions = jnp.nonzero(weight, size=count * chunk, fill_value=n)[0]

    def gathered(k: int | jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        indices = lax.dynamic_slice_in_dim(positions, k * chunk, chunk)
        some = [array.at[indices].get(mode="fill", fill_value=0) for array in arrays]
        return indices, some

    def iteration(k: jax.Array, state: Any) -> Any:
        carry, rows = state
        indices, some = gathered(k)
        carry, new = step(carry, *some)
        where = {"mode": "drop", "unique_indices": True}
        return carry, jax.tree.map(
            lambda x, y: x.at[indices].set(y, **where), rows, new
        )

    shapes = jax.eval_shape(lambda: step(carry, *gathered(0)[1])[1])
    rows = jax.tree.map(
        lambda x: jnp.zeros_like(weight, x.dtype, shape=(n, *x.shape[1:])), shapes
    )
    needed = -(-jnp.count_nonzero(weight) // chunk)
    return lax.fori_loop(0, needed, iteration, (carry, rows))


def _every_chunk(
    step: Callable[..., Any],
    carry: Any,
    arrays: tuple[jax.Array, jax.Array, jax.Array],
    count: int,
    chunk: int,
) -> tuple[Any, Any]:
    """`_over_chunks` for lanes that advance together: every position is in a chunk.

    So a chunk is a slice, and all lanes have as many.
    """
    weight = arrays[-1]
    n = len(weight)

    def counted(x: jax.Array) -> jax.Array:
        return jnp.where((weight != 0).reshape(-1, *(1,) * (x.ndim - 1)), x, 0)

    def cut(x: jax.Array) -> jax.Array:
        pad = [(0, count * chunk - n)] + [(0, 0)] * (x.ndim - 1)
        return jnp.pad(counted(x), pad).reshape(count, chunk, *x.shape[1:])

    def joined(rows: jax.Array) -> jax.Array:
        return counted(rows.reshape(-1, *rows.shape[2:])[:n])

    chunks = [cut(array) for array in arrays]
    carry, rows = lax.scan(lambda carry, some: step(carry, *some), carry, chunks)
    return carry, jax.tree.map(joined, rows)


def _softmax(
    y: jax.Array, kernel: jax.Array, bias: jax.Array, target: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Logits [C, V], the target's [C, 1], probabilities [C, V] and losses [C].

    The largest logit is subtracted before the exponential, so that none overflows.
    """
    logits = jnp.matmul(y, kernel, preferred_element_type=bias.dtype) + bias
    if together():
        is_target = jnp.arange(len(bias)) == target[:, None]
        target_logit = jnp.max(
            logits, axis=1, keepdims=True, where=is_target, initial=-jnp.inf
        )
    else:
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
