"""Weight initializers by name.

An initializer is `f(key, rows, gates, size) -> float32 [rows, gates * size]`. A gated
cell keeps the kernels of all its gates side by side in one matrix, and it matters
whether the draw is over that whole matrix (`orthogonal`: its rows are orthonormal) or
over each gate's block `[rows, size]` by itself (`orthogonal_per_gate`): for an LSTM the
two differ sevenfold in the largest Lyapunov exponent. They are therefore two
initializers.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

Initializer = Callable[[jax.Array, int, int, int], jax.Array]
# An initializer of `jax.nn.initializers`: f(key, shape, dtype).
JaxInitializer = Callable[..., jax.Array]


def fused(init: JaxInitializer) -> Initializer:
    """One draw of `init` over the matrix of all gates, `[rows, gates * size]`."""

    def initialize(key: jax.Array, rows: int, gates: int, size: int) -> jax.Array:
        return init(key, (rows, gates * size), jnp.float32)

    return initialize


def per_gate(init: JaxInitializer) -> Initializer:
    """An independent draw for each gate's block `[rows, size]`, put side by side."""

    def initialize(key: jax.Array, rows: int, gates: int, size: int) -> jax.Array:
        return jnp.concatenate(
            [init(k, (rows, size), jnp.float32) for k in jax.random.split(key, gates)],
            axis=1,
        )

    return initialize


def _identity(key: jax.Array, shape: tuple[int, int], dtype: DTypeLike) -> jax.Array:
    del key
    return jnp.eye(*shape, dtype=dtype)


def _scaled_identity(
    key: jax.Array, shape: tuple[int, int], dtype: DTypeLike
) -> jax.Array:
    """0.01 times the identity, for short memory (Le et al. 2015, arXiv:1504.00941)."""
    return 0.01 * _identity(key, shape, dtype)


def _positive_definite(
    key: jax.Array, shape: tuple[int, int], dtype: DTypeLike
) -> jax.Array:
    """(A + 1) / its largest eigenvalue, where A = R' R / rows and R ~ N(0, 1).

    A matrix that is not square holds the first rows and columns of a square one.
    Source: Talathi and Vartak 2015, arXiv:1511.03771.
    """
    size = max(shape)
    r = jax.random.normal(key, (size, size), dtype)
    whole = r.T @ r / size + jnp.eye(size, dtype=dtype)
    return (whole / jnp.linalg.eigvalsh(whole)[-1])[: shape[0], : shape[1]]


INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": fused(jax.nn.initializers.glorot_uniform()),
    "glorot_uniform_per_gate": per_gate(jax.nn.initializers.glorot_uniform()),
    "glorot_normal": fused(jax.nn.initializers.glorot_normal()),
    "uniform": fused(jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")),
    "orthogonal": fused(jax.nn.initializers.orthogonal()),
    "orthogonal_per_gate": per_gate(jax.nn.initializers.orthogonal()),
    "he_normal": fused(jax.nn.initializers.he_normal()),
    "lecun_normal": fused(jax.nn.initializers.lecun_normal()),
    "small_normal": fused(jax.nn.initializers.normal(1e-3)),
    "identity": per_gate(_identity),
    "scaled_identity": per_gate(_scaled_identity),
    "positive_definite": per_gate(_positive_definite),
}
