"""Long expressive memory (Rusch et al. 2022, arXiv:2110.04744)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected, Scalar


class LEM(Cell):
    """Long expressive memory: two states with time steps of their own.

        a, g = dt s(W x + U y + b)      time steps of y and z, s the logistic function
        z'   = (1 - g) z + g tanh(W x + U y + b)
        y'   = (1 - a) y + a tanh(W x + V z' + b)

    W [I, 4H], b [4H] in the order a, g, z, y; U [H, 3H] in the order a, g, z; V [H, H].
    The state is (y [H], z [H]), the output y'. Both time steps replace the old state,
    so that their biases start at minus `keep_bias`; the others start at 0. `dt` is the
    longest time step.
    """

    keep_bias: Scalar = 0.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid
    dt: float = 1.0

    carry_arrays = 2

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(-self.keep_bias, -self.keep_bias, 0.0, 0.0)
        self.recurrent = self.recurrent_gates(3, 1)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        y, memory = carry
        of_y, of_memory = self.recurrent(self.hidden_size)
        before, after = jnp.split(z, [3 * self.hidden_size], axis=-1)
        a, g, c = jnp.split(before + y @ of_y, 3, axis=-1)
        a, g = self.dt * self.gate_activation(a), self.dt * self.gate_activation(g)
        memory = (1 - g) * memory + g * self.activation(c)
        y = (1 - a) * y + a * self.activation(after + memory @ of_memory)
        return (y, memory), y
