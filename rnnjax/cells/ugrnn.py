"""The two cells of Collins, Sohl-Dickstein and Sussillo 2017 (arXiv:1611.09913)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected, Projection, Scalar


class UGRNN(Cell):
    """The update-gate RNN: a simple network with one gate and no reset.

        g  = s(W x + U h + b)           s is the logistic function
        c  = tanh(W x + U h + b)
        h' = g h + (1 - g) c,  y = h'

    W [I, 2H], U [H, 2H], b [2H] in the order g, c; b starts at 0, except for the gate's
    `keep_bias`. The state is (h [H],).
    """

    keep_bias: Scalar = 1.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(self.keep_bias, 0.0)
        self.recurrent = self.recurrent_gates(2)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        (kernel,) = self.recurrent(self.hidden_size)
        g, c = jnp.split(z + h @ kernel, 2, axis=-1)
        g = self.gate_activation(g)
        h = g * h + (1 - g) * self.activation(c)
        return (h,), h


class IntersectionRNN(Cell):
    """The +RNN (intersection RNN): gates along time and along depth.

        g, k = s(W x + U h + b)         gate of the state, gate of the output
        c    = tanh(W x + U h + b)
        d    = max(0, W x + U h + b)
        h'   = g h + (1 - g) c
        y    = k x + (1 - k) d

    W [I, 4H], U [H, 4H], b [4H] in the order g, k, c, d; both gates start at the bias
    `keep_bias`. The state is (h [H],). If I is not H, x is first mapped to H numbers by
    an affine projection P [I, H] that all of the above reads. The output y is not part
    of the state, so what y adds is remembered only if a second layer reads it.
    """

    keep_bias: Scalar = 1.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self) -> None:
        super().setup()
        self.match = Projection(
            self.hidden_size, (0.0,), self.kernel_init, gain=self.kernel_gain
        )
        self.input = self.input_gates(self.keep_bias, self.keep_bias, 0.0, 0.0)
        self.recurrent = self.recurrent_gates(4)

    def project(self, x: jax.Array) -> Projected:
        x = x if x.shape[-1] == self.hidden_size else self.match(x)
        return self.input(x), x

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,) = carry
        z, x = z
        (kernel,) = self.recurrent(self.hidden_size)
        g, k, c, d = jnp.split(z + h @ kernel, 4, axis=-1)
        g, k = self.gate_activation(g), self.gate_activation(k)
        h = g * h + (1 - g) * self.activation(c)
        return (h,), k * x + (1 - k) * jax.nn.relu(d)
