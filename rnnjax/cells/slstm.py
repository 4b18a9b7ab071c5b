"""The sLSTM of xLSTM (Beck et al. 2024, arXiv:2405.04517)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected, Scalar


class SLSTM(Cell):
    """The sLSTM, an LSTM with exponential gates and a normalizer, with one head.

        i, f, g, o = W x + U h + b
        m'         = max(ln s(f) + m, i), and i while n = 0; keeps exponentials in range
        c'         = s(f) e^(m - m') c + e^(i - m') tanh(g)
        n'         = s(f) e^(m - m') n + e^(i - m')
        h'         = s(o) c' / n',  y = h'        s is the logistic function

    W [I, 4H], U [H, 4H], b [4H] in the order i, f, g, o; b starts at 0, except for the
    forget gate's `keep_bias`. The state is (h, c, n, m), each [H]. Scaling c and n by a
    factor and subtracting its logarithm from m changes no output: one gauge direction
    for each unit. While n is 0 there is no memory to scale, and m' = i as in the
    authors' code: with m' = ln s(f) + m, n' would be e^(i - m'), which is 0 for a
    strongly negative i.

    The convolution and the normalization layers around the cell are left out. The
    source spreads the forget biases over 3 to 6; ours are all `keep_bias`. It allows a
    logistic or an exponential for f; ours is logistic, as in the authors' code.
    """

    keep_bias: Scalar = 1.0
    activation: Activation = jnp.tanh

    carry_arrays = 4
    gauge_directions = 1

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(0.0, self.keep_bias, 0.0, 0.0)
        self.recurrent = self.recurrent_gates(4)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        h, c, n, m = carry
        (kernel,) = self.recurrent(self.hidden_size)
        i, f, g, o = jnp.split(z + h @ kernel, 4, axis=-1)
        log_keep = jax.nn.log_sigmoid(f) + m
        m = jnp.where(n == 0, i, jnp.maximum(log_keep, i))
        # At most 1 where n > 0; where n is 0 it could be inf, and 0 * inf is NaN.
        keep = jnp.exp(jnp.minimum(log_keep - m, 0))
        take = jnp.exp(i - m)
        c = keep * c + take * self.activation(g)
        n = keep * n + take
        h = jax.nn.sigmoid(o) * c / n
        return (h, c, n, m), h
