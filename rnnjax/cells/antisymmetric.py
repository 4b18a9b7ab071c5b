"""The AntisymmetricRNN (Chang et al. 2019, arXiv:1902.09689)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected


class AntisymmetricRNN(Cell):
    """The AntisymmetricRNN: an Euler step of a differential equation without decay.

        h' = h + dt tanh(W x + (U - U^T - diffusion) h + b),  y = h'

    W [I, H], U [H, H], b [H] starting at 0; the state is (h [H],). The eigenvalues of
    U - U^T are imaginary, so that nothing decays or grows but by `diffusion`, which
    makes up for what an Euler step adds. The source chooses both numbers by the task;
    the defaults are ours. U is a whole matrix, of which H (H - 1) / 2 differences
    matter: bits per parameter count the others, too. The form with a gate is left out.
    """

    activation: Activation = jnp.tanh
    dt: float = 0.1
    diffusion: float = 0.01

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(0.0)
        self.recurrent = self.recurrent_gates(1)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        (kernel,) = self.recurrent(self.hidden_size)
        # For a CPU or a TPU, XLA computes the difference before the loop; for a GPU it
        # does not, but a second product in its place would read as much.
        total = z + h @ (kernel - kernel.T) - self.diffusion * h
        h = h + self.dt * self.activation(total)
        return (h,), h
