"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers, Schmidhuber and Cummins 2000)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Activation, Cell


class LSTM(Cell):
    """The LSTM without peepholes.

        i, f, o = s(W x + U h + b)      input, forget and output gate, s the logistic function
        g       = tanh(W x + U h + b)
        c'      = f c + i g
        h'      = o tanh(c'),  y = h'

    W [I, 4H], U [H, 4H] and b [4H] hold the gates in the order i, f, g, o. b starts at 0 but for the forget gate's
    `keep_bias` (1: Jozefowicz, Zaremba and Sutskever 2015). The state is (h [H], c [H]).
    """

    keep_bias: float | jax.Array = 1.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self):
        self.input = self._projection(0.0, self.keep_bias, 0.0, 0.0)
        self.recurrent = self._recurrent(4)

    def project(self, x):
        return self.input(x)

    def step(self, carry, z):
        h, c = carry
        (kernel,) = self.recurrent(self.hidden_size)
        i, f, g, o = jnp.split(z + h @ kernel, 4, axis=-1)
        c = self.gate_activation(f) * c + self.gate_activation(i) * self.activation(g)
        h = self.gate_activation(o) * self.activation(c)
        return (h, c), h

    def initial_carry(self) -> tuple[jax.Array, jax.Array]:
        return jnp.zeros(self.hidden_size), jnp.zeros(self.hidden_size)
