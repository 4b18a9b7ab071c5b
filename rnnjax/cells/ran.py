"""The recurrent additive network (Lee, Levy and Zettlemoyer 2017, arXiv:1705.07393)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected, Scalar


class RAN(Cell):
    """The recurrent additive network: a weighted sum of its inputs.

        i, f = s(W x + U tanh(c) + b)   input and forget gate, s the logistic function
        c'   = f c + i (W x),  y = tanh(c')

    W [I, 2H], U [H, 2H], b [2H] in the order i, f, and W [I, H] of what enters, which
    has no bias; b starts at 0, except for the forget gate's `keep_bias`. The source
    keeps y as well, which is called h there; it follows from c, so that the state is
    (c [H],) alone.
    """

    keep_bias: Scalar = 0.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(0.0, self.keep_bias)
        self.content = self.input_gates(0.0, use_bias=False)
        self.recurrent = self.recurrent_gates(2)

    def project(self, x: jax.Array) -> Projected:
        return self.input(x), self.content(x)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (c,), (gates, content) = carry, z
        (kernel,) = self.recurrent(self.hidden_size)
        gates = self.gate_activation(gates + self.activation(c) @ kernel)
        i, f = jnp.split(gates, 2, axis=-1)
        c = f * c + i * content
        return (c,), self.activation(c)
