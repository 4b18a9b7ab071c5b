"""When two outputs agree: functions of outputs a and b `[T, H]`, to bool `[T]`.

    identical   all numbers are equal
    cosine      the cosine similarity, in float32, reaches 1: a.b >= sqrt((a.a)(b.b));
                or all numbers are equal. If the right-hand side is 0 (a zero vector, or
                an underflow), only equality counts.
    1e-4        or any tolerance: the largest absolute difference is at most that

Only the first time of `cosine` means something: later, rounding decides its last bit.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Criterion = Callable[[jax.Array, jax.Array], jax.Array]

MIN_TOLERANCE, MAX_TOLERANCE = 1e-30, 1e30


def distance(a: jax.Array, b: jax.Array) -> jax.Array:
    """The largest absolute difference over the last axis, in float32 or wider."""
    wide = jnp.promote_types(a.dtype, jnp.float32)
    return jnp.max(jnp.abs(a.astype(wide) - b.astype(wide)), axis=-1)


def identical(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.all(a == b, axis=-1)


def cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    a32, b32 = a.astype(jnp.float32), b.astype(jnp.float32)
    norms = jnp.sum(a32 * a32, axis=-1) * jnp.sum(b32 * b32, axis=-1)
    # Without a division: XLA would turn a / sqrt(b) into a * rsqrt(b), which rounds
    # differently.
    reached = jnp.sum(a32 * b32, axis=-1) >= jnp.sqrt(norms)
    return identical(a, b) | (reached & (norms > 0))


CRITERIA: dict[str, Criterion] = {
    "identical": identical,
    "cosine": cosine,
}


def get(name: str) -> Criterion:
    """The criterion called `name`, or that of the tolerance `name`, such as "1e-4".

    Raises ValueError for anything else.
    """
    if name in CRITERIA:
        return CRITERIA[name]
    tolerance = float(name)
    if not MIN_TOLERANCE <= tolerance <= MAX_TOLERANCE:
        raise ValueError(f"a tolerance must be from 1e-30 to 1e30, not {name}")
    return lambda a, b: distance(a, b) <= tolerance


def settles(name: str) -> bool:
    """Whether the time from which it is met to the end means something."""
    return name != "cosine"
