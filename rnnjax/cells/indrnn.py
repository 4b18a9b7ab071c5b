"""The independently recurrent network (Li et al. 2018, arXiv:1803.04831)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected, Vector


class IndRNN(Cell):
    """The independently recurrent network: a unit reads no unit but itself.

        h' = max(0, W x + u h + b),  y = h'         u h is elementwise

    W [I, H], u and b [H]; the state is (h [H],). b starts at 0, u uniformly from 0 to
    `recurrent_gain`. The source draws u up to 2^(1/T), for sequences of T steps, and
    clips it there in training; ours has no T, and does not clip.
    """

    activation: Activation = jax.nn.relu

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(0.0)
        self.recurrent = Vector(self.hidden_size, self._uniform)

    def _uniform(self, key: jax.Array, size: int) -> jax.Array:
        return self.recurrent_gain * jax.random.uniform(key, (size,), jnp.float32)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        h = self.activation(z + self.recurrent() * h)
        return (h,), h
