"""JANET, just another network (van der Westhuizen and Lasenby 2018)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected, Scalar


class JANET(Cell):
    """JANET: an LSTM that has the forget gate alone.

        f, c = W x + U h + b            s is the logistic function
        h'   = s(f) h + (1 - s(f - beta)) tanh(c),  y = h'

    W [I, 2H], U [H, 2H], b [2H] in the order f, c; b starts at 0, except for the forget
    gate's `keep_bias`, which is 1 as in the authors' code. There it may also be drawn
    for a longest dependency ("chrono initialization"); here a `keep_bias` of its own
    stands for that. The state is (h [H],). With `beta` 1 more enters than is forgotten;
    with 0 this is an update gate. Source: arXiv:1804.04849.
    """

    keep_bias: Scalar = 1.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid
    beta: float = 1.0

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(self.keep_bias, 0.0)
        self.recurrent = self.recurrent_gates(2)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        (kernel,) = self.recurrent(self.hidden_size)
        f, c = jnp.split(z + h @ kernel, 2, axis=-1)
        enters = 1 - self.gate_activation(f - self.beta)
        h = self.gate_activation(f) * h + enters * self.activation(c)
        return (h,), h
