"""Linear cells that shift their state, of which it is known what they remember."""

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Carry, Cell, Projected, Projection, Scalar


class DelayLine(Cell):
    """The delay line: the last H numbers that were read, the newest first.

        u  = w x + b
        h' = (u, h_1, ..., h_(H-1)),  y = h'

    w [I, 1], b [1] starting at 0; nothing else is a parameter, whatever H is. The state
    is (h [H],). It remembers the last H inputs exactly and nothing before them: two
    sequences have identical states once their last H inputs are the same.
    """

    def setup(self) -> None:
        super().setup()
        self.input = Projection(1, (0.0,), self.kernel_init, gain=self.kernel_gain)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        kept = jnp.broadcast_to(h[..., :-1], (*z.shape[:-1], self.hidden_size - 1))
        h = jnp.concatenate([z, kept], axis=-1)
        return (h,), h


class Cycle(Cell):
    """The simple cycle: each unit passes its number on to the next, the last to the
    first.

        h' = r (h_H, h_1, ..., h_(H-1)) + W x + b,  y = h'

    W [I, H], b [H] starting at 0, r [1] starting at `recurrent_gain`; the state is
    (h [H],). All eigenvalues have the size r, so every difference shrinks by r at each
    step. Source: Rodan and Tino 2011, "Minimum complexity echo state network"; ours is
    linear, and W is drawn like that of other cells.
    """

    recurrent_gain: Scalar = 0.9

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(0.0)
        self.recurrent = self.recurrent_vector(1)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        turned = jnp.concatenate([h[..., -1:], h[..., :-1]], axis=-1)
        h = self.recurrent() * turned + z
        return (h,), h
