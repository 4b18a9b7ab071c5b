"""Nonlinearities by name."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Activation = Callable[[jax.Array], jax.Array]


def hard_sigmoid(x: jax.Array) -> jax.Array:
    """max(0, min(1, x / 5 + 1 / 2)), the piecewise linear gate of Keras in 2019.

    `jax.nn.hard_sigmoid` has slope 1/6 instead.
    """
    return jnp.clip(0.2 * x + 0.5, 0.0, 1.0)


def identity(x: jax.Array) -> jax.Array:
    """x itself."""
    return x


ACTIVATIONS: dict[str, Activation] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "softsign": jax.nn.soft_sign,
    "identity": identity,
}
