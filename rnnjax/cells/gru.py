"""Gated recurrent units; the two published places of the reset gate are two cells."""

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Activation, Cell, Vector


class GRU(Cell):
    """The GRU as published (Cho et al. 2014, arXiv:1406.1078): the reset gate acts before the product.

        u, r = s(W x + U h + b)         update and reset gate, s the logistic function
        c    = tanh(W x + U (r h) + b)
        h'   = u h + (1 - u) c,  y = h'

    W [I, 3H], U [H, 3H] and b [3H] hold the gates in the order u, r, c; b starts at 0 but for the update gate's `keep_bias`
    (positive keeps the old state). The state is (h [H],). Keras calls this form `reset_after=False`.
    """

    keep_bias: float | jax.Array = 0.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self):
        super().setup()
        self.input = self.input_gates(self.keep_bias, 0.0, 0.0)
        self.recurrent = self.recurrent_gates(2, 1)

    def step(self, carry, z):
        (h,) = carry
        gates, candidate = self.recurrent(self.hidden_size)
        zg, zc = jnp.split(z, [2 * self.hidden_size], axis=-1)
        u, r = jnp.split(self.gate_activation(zg + h @ gates), 2, axis=-1)
        c = self.activation(zc + (r * h) @ candidate)
        h = u * h + (1 - u) * c
        return (h,), h


class GRUFlax(GRU):
    """The GRU of Flax, PyTorch and cuDNN: the reset gate acts after the product, and the candidate has a second bias.

        c = tanh(W x + b + r (U h + d))

    and all else as in `GRU`; d [H] starts at 0. Equal to `flax.linen.GRUCell` (gates u, r, c there: z, r, n) and to PyTorch's
    `nn.GRU`, whose two biases of u and r add up to ours.
    """

    def setup(self):
        Cell.setup(self)
        self.input = self.input_gates(self.keep_bias, 0.0, 0.0)
        self.recurrent = self.recurrent_gates(3)
        self.candidate_bias = Vector(self.hidden_size)

    def step(self, carry, z):
        (h,) = carry
        (kernel,) = self.recurrent(self.hidden_size)
        zg, zc = jnp.split(z, [2 * self.hidden_size], axis=-1)
        hg, hc = jnp.split(h @ kernel, [2 * self.hidden_size], axis=-1)
        u, r = jnp.split(self.gate_activation(zg + hg), 2, axis=-1)
        c = self.activation(zc + r * (hc + self.candidate_bias()))
        h = u * h + (1 - u) * c
        return (h,), h
