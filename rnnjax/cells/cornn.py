"""The coupled oscillatory network (Rusch and Mishra 2021, arXiv:2010.00951)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected


class CoRNN(Cell):
    """The coRNN: oscillators that are driven by the input and by one another.

        v' = v + dt (tanh(W x + U y + V v + b) - gamma y - epsilon v)
        y' = y + dt v'

    W [I, H], U and V [H, H], b [H] starting at 0; the state is (y [H], v [H]), the
    positions and the velocities, and the output is y'. `gamma` is the stiffness and
    `epsilon` the damping of every oscillator. The source allows v or v' where epsilon
    is; ours is v, as in the authors' code, and the three numbers are those of its
    sequential MNIST.
    """

    activation: Activation = jnp.tanh
    dt: float = 0.042
    gamma: float = 2.7
    epsilon: float = 4.7

    carry_arrays = 2

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(0.0)
        self.recurrent = self.recurrent_gates(1, 1)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        y, v = carry
        of_y, of_v = self.recurrent(self.hidden_size)
        force = self.activation(z + y @ of_y + v @ of_v)
        v = v + self.dt * (force - self.gamma * y - self.epsilon * v)
        y = y + self.dt * v
        return (y, v), y
