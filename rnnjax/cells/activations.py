"""Nonlinearities by name."""

import jax
import jax.numpy as jnp


def hard_sigmoid(x):
    """max(0, min(1, x/5 + 1/2)): Keras's piecewise linear gate of 2019. `jax.nn.hard_sigmoid` has slope 1/6 instead."""
    return jnp.clip(0.2 * x + 0.5, 0.0, 1.0)


def identity(x):
    return x


ACTIVATIONS = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "softsign": jax.nn.soft_sign,
    "identity": identity,
}
