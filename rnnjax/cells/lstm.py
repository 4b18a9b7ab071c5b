"""Long short-term memory and its variants.

Hochreiter and Schmidhuber 1997; the forget gate is from Gers, Schmidhuber and Cummins
2000.
"""

import jax
import jax.numpy as jnp

from rnnjax.cells.activations import Activation
from rnnjax.cells.cell import Carry, Cell, Kernel, Projected, Scalar, Vector


class LSTM(Cell):
    """The LSTM without peepholes.

        i, f, o = s(W x + U h + b)      input, forget and output gate, s the logistic
        g       = tanh(W x + U h + b)   function
        c'      = f c + i g
        h'      = o tanh(c'),  y = h'

    W [I, 4H], U [H, 4H], b [4H] in the order i, f, g, o; b starts at 0, except for the
    forget gate's `keep_bias` (1: Jozefowicz, Zaremba and Sutskever 2015). The state is
    (h [H], c [H]).
    """

    keep_bias: Scalar = 1.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid

    carry_arrays = 2

    def setup(self) -> None:
        super().setup()
        self.input = self.input_gates(0.0, self.keep_bias, 0.0, 0.0)
        self.recurrent = self.recurrent_gates(4)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        h, c = carry
        (kernel,) = self.recurrent(self.hidden_size)
        i, f, g, o = jnp.split(z + h @ kernel, 4, axis=-1)
        c = self.gate_activation(f) * c + self.gate_activation(i) * self.activation(g)
        h = self.gate_activation(o) * self.activation(c)
        return (h, c), h


class NestedLSTM(Cell):
    """The Nested LSTM: the memory of each level but the last is kept by another LSTM.

    At level k with input x and output h of that level,

        i, f, o = s(W_k x + U_k h + b_k),   g = W_k x + U_k h + b_k
        c_k'    = output of level k + 1 for the input i g and the old output f c_k;
                  at the last level f c_k + i tanh(g)
        output  = o tanh(c_k')

    W_0 [I, 4H], all other matrices [H, 4H], biases [4H], gates in the order i, f, g, o;
    every forget gate starts at the bias `keep_bias`. The candidate g is the identity at
    every level but the last. The state is (h [H], c_0 [H], ..., c_(depth-1) [H]); with
    `depth` 1 this is `LSTM`. Source: Moniz and Krueger 2017, arXiv:1801.10308.
    """

    keep_bias: Scalar = 1.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid
    depth: int = 2

    @property
    def carry_arrays(self) -> int:
        return 1 + self.depth

    def setup(self) -> None:
        super().setup()
        biases = (0.0, self.keep_bias, 0.0, 0.0)
        self.input = self.input_gates(*biases)
        self.recurrent = [self.recurrent_gates(4) for _ in range(self.depth)]
        self.inner = [self.input_gates(*biases) for _ in range(self.depth - 1)]

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        h, *memories = carry
        h, memories = self._level(0, z, h, memories)
        return (h, *memories), h

    def _level(
        self, level: int, z: Projected, h: jax.Array, memories: list[jax.Array]
    ) -> tuple[jax.Array, list[jax.Array]]:
        """Output of `level`, and the new memories of this level and the inner ones."""
        (kernel,) = self.recurrent[level](self.hidden_size)
        i, f, g, o = jnp.split(z + h @ kernel, 4, axis=-1)
        i, f, o = (
            self.gate_activation(i),
            self.gate_activation(f),
            self.gate_activation(o),
        )
        c, *inner = memories
        if inner:
            c, inner = self._level(level + 1, self.inner[level](i * g), f * c, inner)
        else:
            c = f * c + i * self.activation(g)
        return o * self.activation(c), [c, *inner]


class PeepholeLSTM(Cell):
    """The LSTM with peepholes, and its eight variants.

        i, f = s(W x + U h + p c + b)   input and forget gate read the old memory
        g    = tanh(W x + U h + b)
        c'   = f c + i g
        o    = s(W x + U h + p c' + b)  the output gate reads the new memory
        h'   = o tanh(c'),  y = h'

    W [I, 4H], U [H, 4H], b [4H] in the order of `gates`, then g; p [H] for each gate,
    drawn from N(0, 0.01). The state is (h [H], c [H]). Source: Greff et al. 2017,
    "LSTM: a search space odyssey", arXiv:1503.04069.

    Registered as `lstm_peephole`, and with one change each:

        lstm_nig, lstm_nfg, lstm_nog  without input, forget or output gate: it is 1, has
                                      no weights, and is not in `gates`
        lstm_niaf, lstm_noaf          without the first or the second tanh
                                      (`input_activation`, `output_activation`)
        lstm_cifg                     coupled gates, f = 1 - i (`coupled`); the bias of
                                      i starts at minus `keep_bias`
        lstm_np                       without p (`peepholes`), the same as `lstm`
        lstm_fgr                      the gates also read the previous gates through a
                                      matrix [3H, 3H] (`gate_recurrence`); the state is
                                      (h, c, i, f, o)
    """

    keep_bias: Scalar = 1.0
    activation: Activation = jnp.tanh
    gate_activation: Activation = jax.nn.sigmoid
    gates: str = "ifo"
    coupled: bool = False
    peepholes: bool = True
    input_activation: bool = True
    output_activation: bool = True
    gate_recurrence: bool = False

    @property
    def carry_arrays(self) -> int:
        return 5 if self.gate_recurrence else 2

    def setup(self) -> None:
        super().setup()
        biases = {"f": self.keep_bias, "i": -self.keep_bias if self.coupled else 0.0}
        self.input = self.input_gates(
            *(biases.get(gate, 0.0) for gate in self.gates), 0.0
        )
        self.recurrent = self.recurrent_gates(len(self.gates) + 1)
        if self.peepholes:
            self.peephole = {
                gate: Vector(self.hidden_size, _small) for gate in self.gates
            }
        if self.gate_recurrence:
            self.between_gates = Kernel(
                self.hidden_size,
                (len(self.gates),),
                self.recurrent_init,
                self.recurrent_gain,
            )

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        h, c, *previous_gates = carry
        (kernel,) = self.recurrent(self.hidden_size)
        *gates, g = jnp.split(z + h @ kernel, len(self.gates) + 1, axis=-1)
        if self.gate_recurrence:
            (between,) = self.between_gates(len(previous_gates) * self.hidden_size)
            read = jnp.concatenate(previous_gates, axis=-1) @ between
            addends = jnp.split(read, len(gates), axis=-1)
            gates = [gate + addend for gate, addend in zip(gates, addends)]
        sums = dict(zip(self.gates, gates))

        def gate(name: str, memory: jax.Array) -> jax.Array:
            if name not in sums:
                return jnp.ones_like(memory)
            return self.gate_activation(
                sums[name] + (self.peephole[name]() * memory if self.peepholes else 0)
            )

        i = gate("i", c)
        f = 1 - i if self.coupled else gate("f", c)
        c = f * c + i * (self.activation(g) if self.input_activation else g)
        o = gate("o", c)
        h = o * (self.activation(c) if self.output_activation else c)
        return (h, c, i, f, o) if self.gate_recurrence else (h, c), h


def _small(key: jax.Array, size: int) -> jax.Array:
    return 0.1 * jax.random.normal(key, (size,))
