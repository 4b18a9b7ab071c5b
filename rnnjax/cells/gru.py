"""Gated recurrent units: the reset gate acts before or after the product, two cells."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected, Scalar, Vector


class GRU(Cell):
    """The GRU as published: the reset gate acts before the product.

        u, r = s(W x + U h + b)         update and reset gate, s the logistic function
        c    = tanh(W x + U (r h) + b)
        h'   = u h + (1 - u) c,  y = h'

    W [I, 3H], U [H, 3H], b [3H] in the order u, r, c; b starts at 0, except for the
    update gate's `keep_bias` (positive keeps the old state) and the reset gate's
    `reset_bias` (positive resets less); both are 1 in TensorFlow 1. The state is
    (h [H],). Keras calls this form `reset_after=False`. Source: Cho et al. 2014,
    arXiv:1406.1078.
    """

    keep_bias: Scalar = 0.0
    reset_bias: Scalar = 0.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(self.keep_bias, self.reset_bias, 0.0)
        self.recurrent = self.recurrent_gates(2, 1)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        gates, candidate = self.recurrent(self.hidden_size)
        zg, zc = jnp.split(z, [2 * self.hidden_size], axis=-1)
        u, r = jnp.split(self.gate_activation(zg + h @ gates), 2, axis=-1)
        c = self.activation(zc + (r * h) @ candidate)
        h = u * h + (1 - u) * c
        return (h,), h


class GRUFlax(GRU):
    """The GRU of Flax, PyTorch and cuDNN: the reset gate acts after the product.

        c = tanh(W x + b + r (U h + d))

    and all else as in `GRU`. d [H] is a second bias of the candidate and starts at 0.
    Equal to `flax.linen.GRUCell`, where the gates are called z, r, n, and to PyTorch's
    `nn.GRU`, where u and r have two biases each, whose sum is ours.
    """

    def setup(self) -> None:
        Cell.setup(self)
        self.input = self.input_gates(self.keep_bias, self.reset_bias, 0.0)
        self.recurrent = self.recurrent_gates(3)
        self.candidate_bias = Vector(self.hidden_size)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        (kernel,) = self.recurrent(self.hidden_size)
        zg, zc = jnp.split(z, [2 * self.hidden_size], axis=-1)
        hg, hc = jnp.split(h @ kernel, [2 * self.hidden_size], axis=-1)
        u, r = jnp.split(self.gate_activation(zg + hg), 2, axis=-1)
        c = self.activation(zc + r * (hc + self.candidate_bias()))
        h = u * h + (1 - u) * c
        return (h,), h
