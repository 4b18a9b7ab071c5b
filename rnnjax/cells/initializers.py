"""Weight initialisers by name.

An initialiser is `f(key, rows, gates, size) -> float32 [rows, gates * size]`. A gated cell keeps the kernels of all its
gates side by side in one matrix, and it matters whether the draw is over that whole matrix (`orthogonal`: its rows are
orthonormal) or over each gate's `[rows, size]` block by itself (`orthogonal_per_gate`): for an LSTM the two differ
sevenfold in the largest Lyapunov exponent. They are therefore two initialisers.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Initializer = Callable[[jax.Array, int, int, int], jax.Array]


def fused(init) -> Initializer:
    """One draw of a `jax.nn.initializers` function over the matrix of all gates, `[rows, gates * size]`."""

    def initialize(key, rows, gates, size):
        return init(key, (rows, gates * size), jnp.float32)

    return initialize


def per_gate(init) -> Initializer:
    """An independent draw for each gate's block `[rows, size]`, laid side by side."""

    def initialize(key, rows, gates, size):
        return jnp.concatenate(
            [init(k, (rows, size), jnp.float32) for k in jax.random.split(key, gates)],
            axis=1,
        )

    return initialize


def _identity(key, shape, dtype):
    del key
    return jnp.eye(*shape, dtype=dtype)


def _positive_definite(key, shape, dtype):
    """(A + 1) / its largest eigenvalue with A = R' R / rows, R ~ N(0, 1) (Talathi and Vartak 2015, arXiv:1511.03771).

    For a matrix that is not square, the first rows and columns of a square one.
    """
    size = max(shape)
    r = jax.random.normal(key, (size, size), dtype)
    whole = r.T @ r / size + jnp.eye(size, dtype=dtype)
    return (whole / jnp.linalg.eigvalsh(whole)[-1])[: shape[0], : shape[1]]


INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": fused(jax.nn.initializers.glorot_uniform()),
    "glorot_uniform_per_gate": per_gate(jax.nn.initializers.glorot_uniform()),
    "orthogonal": fused(jax.nn.initializers.orthogonal()),
    "orthogonal_per_gate": per_gate(jax.nn.initializers.orthogonal()),
    "he_normal": fused(jax.nn.initializers.he_normal()),
    "lecun_normal": fused(jax.nn.initializers.lecun_normal()),
    "small_normal": fused(jax.nn.initializers.normal(1e-3)),
    "identity": per_gate(_identity),
    "positive_definite": per_gate(_positive_definite),
}
