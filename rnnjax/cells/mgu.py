"""Minimal gated units: one gate that both resets and updates."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected, Scalar, Vector


class MGU(Cell):
    """The minimal gated unit as published: the gate acts before the product.

        f  = s(W x + U h + b)           s is the logistic function
        c  = tanh(W x + U (f h) + b)
        h' = (1 - f) h + f c,  y = h'

    W [I, 2H], U [H, 2H], b [2H] in the order f, c; the state is (h [H],). Here f near 1
    replaces the old state, so its bias starts at minus `keep_bias`: a positive
    `keep_bias` keeps the old state, as in every other cell. Source: Zhou et al. 2016,
    arXiv:1603.09420.
    """

    keep_bias: Scalar = 0.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(-self.keep_bias, 0.0)
        self.recurrent = self.recurrent_gates(1, 1)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        gate, candidate = self.recurrent(self.hidden_size)
        zf, zc = jnp.split(z, 2, axis=-1)
        f = self.gate_activation(zf + h @ gate)
        c = self.activation(zc + (f * h) @ candidate)
        h = (1 - f) * h + f * c
        return (h,), h


class MGUFlax(Cell):
    """`flax.linen.MGUCell`: the gate acts after the product.

        f  = s(W x + U h + b)
        c  = tanh(W x + b + f (U h + d))
        h' = (1 - f) c + f h,  y = h'

    Shapes as in `MGU`; d [H] starts at 0. Here f near 1 keeps the old state, and its
    bias starts at `keep_bias`. Compared with `MGU`, f stands for 1 - f in the last
    line, but not in the second.
    """

    keep_bias: Scalar = 1.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(self.keep_bias, 0.0)
        self.recurrent = self.recurrent_gates(2)
        self.candidate_bias = Vector(self.hidden_size)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        (kernel,) = self.recurrent(self.hidden_size)
        zf, zc = jnp.split(z, 2, axis=-1)
        hf, hc = jnp.split(h @ kernel, 2, axis=-1)
        f = self.gate_activation(zf + hf)
        c = self.activation(zc + f * (hc + self.candidate_bias()))
        h = (1 - f) * c + f * h
        return (h,), h
