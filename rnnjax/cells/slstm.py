"""The sLSTM: an LSTM with exponential gates and a normaliser (Beck et al. 2024, arXiv:2405.04517)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Activation, Cell


class SLSTM(Cell):
    """The sLSTM of xLSTM with one head, without the convolution and normalisation layers around it.

        i, f, g, o = W x + U h + b
        m'         = max(ln s(f) + m, i)                        keeps the exponentials in range
        c'         = s(f) e^(m - m') c + e^(i - m') tanh(g)
        n'         = s(f) e^(m - m') n + e^(i - m')
        h'         = s(o) c' / n',  y = h'

    W [I, 4H], U [H, 4H], b [4H] in the order i, f, g, o, the forget gate starting at the bias `keep_bias`. The state is
    (h, c, n, m), each [H]. Scaling c and n and shifting m against it changes no output: one gauge direction a unit. The source
    spreads the forget biases over 3 to 6 and leaves open whether f goes through a logistic or an exponential; ours is logistic, as
    in the authors' code.
    """

    keep_bias: float | jax.Array = 1.0
    activation: Activation = jnp.tanh

    carry_arrays = 4
    gauge_directions = 1

    def setup(self):
        super().setup()
        self.input = self.input_gates(0.0, self.keep_bias, 0.0, 0.0)
        self.recurrent = self.recurrent_gates(4)

    def step(self, carry, z):
        h, c, n, m = carry
        (kernel,) = self.recurrent(self.hidden_size)
        i, f, g, o = jnp.split(z + h @ kernel, 4, axis=-1)
        kept = jax.nn.log_sigmoid(f) + m
        m = jnp.maximum(kept, i)
        keep, take = jnp.exp(kept - m), jnp.exp(i - m)
        c = keep * c + take * self.activation(g)
        n = keep * n + take
        h = jax.nn.sigmoid(o) * c / n
        return (h, c, n, m), h
