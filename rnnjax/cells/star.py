"""The stackable recurrent cell (Turkoglu et al. 2021, arXiv:1911.11033)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected, Scalar


class STAR(Cell):
    """The stackable recurrent cell: one gate, and a candidate without the state.

        k  = s(W x + U h + b)           s is the logistic function
        z  = tanh(W x + b)
        h' = tanh((1 - k) h + k z),  y = h'

    W [I, 2H], b [2H] in the order k, z; U [H, H]. The state is (h [H],). Here k near 1
    replaces the old state, so its bias starts at minus `keep_bias`; that of z starts at
    0. The authors draw the bias of k for a longest dependency.
    """

    keep_bias: Scalar = 0.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(-self.keep_bias, 0.0)
        self.recurrent = self.recurrent_gates(1)

    def project(self, x: jax.Array) -> Projected:
        k, z = jnp.split(self.input(x), 2, axis=-1)
        return k, self.activation(z)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,), (k, candidate) = carry, z
        (kernel,) = self.recurrent(self.hidden_size)
        k = self.gate_activation(k + h @ kernel)
        h = self.activation((1 - k) * h + k * candidate)
        return (h,), h
