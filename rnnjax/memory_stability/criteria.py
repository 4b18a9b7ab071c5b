"""When do two outputs count as the same? Pure functions of outputs a and b `[T, H]` -> bool `[T]`.

    identical   every number is equal
    cosine      the cosine similarity, computed in float32, reaches 1: a.b >= sqrt((a.a)(b.b)); or every number is equal.
                Where the right-hand side is 0 (a zero vector, an underflow) only equality counts.
    1e-4        (any tolerance) the largest absolute difference is at most that

Of `cosine` only the first time is meaningful: it goes on flickering with the last bit of its rounding.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Criterion = Callable[[jax.Array, jax.Array], jax.Array]


def distance(a: jax.Array, b: jax.Array) -> jax.Array:
    """The largest absolute difference over the last axis, float32 or wider."""
    wide = jnp.promote_types(a.dtype, jnp.float32)
    return jnp.max(jnp.abs(a.astype(wide) - b.astype(wide)), axis=-1)


def identical(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.all(a == b, axis=-1)


def cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    a32, b32 = a.astype(jnp.float32), b.astype(jnp.float32)
    lengths = jnp.sum(a32 * a32, axis=-1) * jnp.sum(b32 * b32, axis=-1)
    # Compared without the division: XLA would rewrite a / sqrt(b) as a * rsqrt(b), which rounds differently.
    reached = jnp.sum(a32 * b32, axis=-1) >= jnp.sqrt(lengths)
    return identical(a, b) | (reached & (lengths > 0))


CRITERIA: dict[str, Criterion] = {"identical": identical, "cosine": cosine}


def get(name: str) -> Criterion:
    """The criterion called `name`, or the tolerance that `name` spells. Raises ValueError for anything else."""
    if name in CRITERIA:
        return CRITERIA[name]
    tolerance = float(name)
    if not 1e-30 <= tolerance <= 1e30:
        raise ValueError(f"a tolerance must lie between 1e-30 and 1e30, not at {name}")
    return lambda a, b: distance(a, b) <= tolerance


def settles(name: str) -> bool:
    """Whether "from here on to the end" is a meaningful time for this criterion."""
    return name != "cosine"
