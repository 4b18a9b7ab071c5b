"""Bistable recurrent cells (Vecoven, Ernst and Drion 2021, arXiv:2006.05252)."""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Projected, Scalar


class _Bistable(Cell):
    """What both cells share: all but how the gates read the state."""

    keep_bias: Scalar = 0.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(0.0, self.keep_bias)
        self.candidate = self.input_gates(0.0, use_bias=False)

    def project(self, x: jax.Array) -> Projected:
        return self.input(x), self.candidate(x)

    def gates_of(self, h: jax.Array) -> jax.Array:
        """What the gates a and c read of the state, [2H]."""
        raise NotImplementedError

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        (h,), (gates, candidate) = carry, z
        a, c = jnp.split(gates + self.gates_of(h), 2, axis=-1)
        a, c = 1 + jnp.tanh(a), self.gate_activation(c)
        h = c * h + (1 - c) * self.activation(candidate + a * h)
        return (h,), h


class BRC(_Bistable):
    """The bistable recurrent cell: a unit reads no unit but itself.

        a  = 1 + tanh(W x + w h + b)    more than 1 makes a unit bistable
        c  = s(W x + w h + b)           s is the logistic function
        h' = c h + (1 - c) tanh(W x + a h),  y = h'         w h and a h are elementwise

    W [I, 2H], w [2H], b [2H] in the order a, c, and W [I, H] of the candidate, which
    has no bias; the state is (h [H],). w starts at `recurrent_gain`, b at 0, except for
    the `keep_bias` of c. The biases of the gates are from the authors' code; the
    publication shows none.
    """

    def setup(self) -> None:
        super().setup()
        self.recurrent = self.recurrent_vector(2 * self.hidden_size)

    def gates_of(self, h: jax.Array) -> jax.Array:
        return self.recurrent() * jnp.concatenate([h, h], axis=-1)


class NBRC(_Bistable):
    """The neuromodulated bistable cell: its gates read all units.

        a = 1 + tanh(W x + U h + b)
        c = s(W x + U h + b)

    and all else as in `BRC`. U [H, 2H] in the order a, c takes the place of w.
    """

    def setup(self) -> None:
        super().setup()
        self.recurrent = self.recurrent_gates(2)

    def gates_of(self, h: jax.Array) -> jax.Array:
        (kernel,) = self.recurrent(self.hidden_size)
        return h @ kernel
