"""The simple recurrent network (Elman 1990) and its rectified relatives."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected


class RNN(Cell):
    """The simple recurrent network.

        h' = f(W x + U h + b),  y = h'

    W [I, H], U [H, H], b [H] starting at 0; the state is (h [H],).

    Registered as `rnn_tanh`, which is Elman's network and Keras's `SimpleRNN`, as
    `rnn_relu` with f = max(0, .), and as `rnn_linear` with f the identity. Two more
    differ from `rnn_relu` in how they start: `irnn` (Le, Jaitly and Hinton 2015,
    arXiv:1504.00941) at U = 1 and W ~ N(0, 1e-6); `np_rnn` (Talathi and Vartak 2015,
    arXiv:1511.03771) at a positive-definite U whose largest eigenvalue is 1.
    """

    activation: Activation = jnp.tanh

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(0.0)
        self.recurrent = self.recurrent_gates(1)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        (kernel,) = self.recurrent(self.hidden_size)
        h = self.activation(z + h @ kernel)
        return (h,), h
