"""The softmax over many classes, a chunk of positions at a time: the logits of all positions never exist at once.

N positions, H units, V classes, C positions in a chunk. Positions of weight 0 are never read. Products take the operands in the
wider of their two types and add up in float32 (float64 of float64), in which everything after them is done.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

CHUNK = 256  # positions


def cross_entropy(
    y: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    chunk: int = CHUNK,
) -> tuple[jax.Array, jax.Array]:
    """sum_n w_n (ln sum_v exp(z_nv) - z_n,target(n)) in nats, z = y W + b, and sum_n w_n.

    y [N, H], `kernel` W [H, V], `bias` b [V], `target` whole numbers [N], `weight` w [N], which is held constant. With
    d_nv = w_n (softmax(z_n)_v - [v = target(n)]) the gradients are d W^T, y^T d and sum_n d_n. Where they are asked for, the
    pass that finds the loss finds them too (as in Hsu et al. 2024, "Liger Kernel"): three products in all, and what is kept has the
    shapes of y, W and b. At most `chunk` positions are looked at together.
    """
    y, kernel, bias, target, weight = _converted(y, kernel, bias, target, weight)
    return _total(y, kernel, bias, target, weight, chunk), jnp.sum(weight)


def ranks(
    y: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    chunk: int = CHUNK,
) -> tuple[jax.Array, jax.Array]:
    """The loss of each position in nats [N], without its weight, and how many classes are likelier than its target, int32 [N].

    Arguments as for `cross_entropy`. A target is among the k likeliest if fewer than k are likelier; classes as likely as the
    target are not, classes that cannot be compared (NaN) are. Both are 0 at positions of weight 0.
    """
    y, kernel, bias, target, weight = _converted(y, kernel, bias, target, weight)

    def look(state, at, y, target, weight):
        logits, own, _, loss = _softmax(y, kernel, bias, target)
        likelier = jnp.sum(~(logits <= own), axis=1, dtype=jnp.int32)
        return _put(state[0], at, loss), _put(state[1], at, likelier)

    start = jnp.zeros_like(weight), jnp.zeros_like(weight, jnp.int32)
    return _over_chunks(look, start, y, target, weight, chunk)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def _total(y, kernel, bias, target, weight, chunk):
    def look(total, at, y, target, weight):
        return total + _weighted(_softmax(y, kernel, bias, target)[-1], weight)

    return _over_chunks(
        look, jnp.zeros_like(weight, shape=()), y, target, weight, chunk
    )


def _total_and_gradients(y, kernel, bias, target, weight, chunk):
    product = functools.partial(lax.dot_general, preferred_element_type=weight.dtype)

    def look(state, at, y, target, weight):
        total, y_gradient, kernel_gradient, bias_gradient = state
        _, _, p, loss = _softmax(y, kernel, bias, target)
        d = (p - (jnp.arange(len(bias)) == target[:, None])) * weight[:, None]
        bias_gradient = bias_gradient + jnp.sum(d, axis=0)
        d = d.astype(y.dtype)
        y_gradient = _put(
            y_gradient, at, product(d, kernel, (((1,), (1,)), ((), ()))).astype(y.dtype)
        )
        kernel_gradient = kernel_gradient + product(d, y, (((0,), (0,)), ((), ())))
        return (
            total + _weighted(loss, weight),
            y_gradient,
            kernel_gradient,
            bias_gradient,
        )

    start = (
        jnp.zeros_like(weight, shape=()),
        jnp.zeros_like(y),
        jnp.zeros_like(kernel.T, weight.dtype),
        jnp.zeros_like(bias),
    )
    total, y_gradient, kernel_gradient, bias_gradient = _over_chunks(
        look, start, y, target, weight, chunk
    )
    return total, (y_gradient, kernel_gradient.T, bias_gradient)


def _scaled(chunk, gradients, g):
    y, kernel, bias = gradients
    return (g * y).astype(y.dtype), (g * kernel).astype(y.dtype), g * bias, None, None


_total.defvjp(_total_and_gradients, _scaled)


def _over_chunks(look: Callable, state, y, target, weight, chunk: int):
    """The last state of `state = look(state, at, y, target, weight)`, a chunk of scored positions `at` [C] after the other.

    The last chunk is filled up with zeros, whose position is N. There are as many chunks as the scored positions need.
    """
    n = len(weight)
    most = -(-n // chunk)
    chunk = -(-n // most)
    scored = jnp.nonzero(weight, size=most * chunk, fill_value=n)[0]

    def turn(k, state):
        at = lax.dynamic_slice_in_dim(scored, k * chunk, chunk)
        return look(
            state,
            at,
            *(
                array.at[at].get(mode="fill", fill_value=0)
                for array in (y, target, weight)
            ),
        )

    return lax.fori_loop(0, _most(-(-jnp.count_nonzero(weight) // chunk)), turn, state)


@jax.custom_batching.custom_vmap
def _most(count):
    """The count, and the largest of all lanes': if each stopped by itself, every turn would copy all gradients."""
    return count


@_most.def_vmap
def _most_of_lanes(size, batched, count):
    return _most(jnp.max(count)), False


def _softmax(y, kernel, bias, target):
    """Logits [C, V], the target's [C, 1], probabilities [C, V] and losses [C]."""
    logits = jnp.matmul(y, kernel, preferred_element_type=bias.dtype) + bias
    own = jnp.take_along_axis(logits, target[:, None], axis=1)
    largest = jnp.max(logits, axis=1, keepdims=True)
    odds = jnp.exp(logits - largest)
    total = jnp.sum(odds, axis=1, keepdims=True)
    return logits, own, odds / total, (largest - own + jnp.log(total))[:, 0]


def _weighted(loss, weight):
    return jnp.sum(jnp.where(weight != 0, loss * weight, 0))


def _put(array, at, rows):
    return array.at[at].set(rows, mode="drop", unique_indices=True)


def _converted(*arrays):
    """y and W in one type, b and w in the one that sums are taken in, and whole numbers."""
    y, kernel, bias, target, weight = (jnp.asarray(array) for array in arrays)
    narrow = jnp.promote_types(y.dtype, kernel.dtype)
    wide = jnp.promote_types(narrow, jnp.float32)
    return (
        y.astype(narrow),
        kernel.astype(narrow),
        bias.astype(wide),
        target,
        weight.astype(wide),
    )
