"""The contract of a cell, and the weights all cells share.

A cell splits its update into the part that does not depend on the state and the part that does:

    z          = cell.project(x)        x [..., I] -> z, any tree of [..., anything]; a whole sequence in one product
    (carry, y) = cell.step(carry, z)    one time step; y [H] is the output, and what a next layer receives
    carry      = cell.initial_carry()   the state before the first step, a tuple of arrays

`cell(carry, x)` is the first two together, so every cell also works wherever Flax expects an `nn.RNNCellBase`. Submodules keep the
weights, so that Flax itself can tell which of them `project` needs and which `step` (see `split_parameters`).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util

from rnnjax.cells.initializers import INITIALIZERS, Initializer

Activation = Callable[[jax.Array], jax.Array]


class Kernel(nn.Module):
    """Weights `[rows, gates * size]`: one draw times `gain`, kept in `parts` of so many gates each.

    A cell that uses its gates in separate products keeps them in separate matrices: cut inside a loop over time, a matrix would
    be copied at every step.
    """

    size: int
    parts: tuple[int, ...]
    init: Initializer
    gain: float | jax.Array = 1.0

    @nn.compact
    def __call__(self, rows: int) -> tuple[jax.Array, ...]:
        edges = [self.size * sum(self.parts[:k]) for k in range(1, len(self.parts))]

        def draw(key):
            whole = self.gain * self.init(key, rows, sum(self.parts), self.size)
            return tuple(jnp.split(whole, edges, axis=1))

        return self.param("kernel", draw)


class Projection(nn.Module):
    """x W + b with W `[I, gates * size]` and b `[gates * size]`; W is one draw times `gain`, gate k starts with bias `biases[k]`.

    Without `use_bias`, x W.
    """

    size: int
    biases: tuple
    init: Initializer
    use_bias: bool = True
    gain: float | jax.Array = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param(
            "kernel",
            lambda key: (
                self.gain * self.init(key, x.shape[-1], len(self.biases), self.size)
            ),
        )
        if not self.use_bias:
            return x @ kernel
        biases = jnp.repeat(jnp.stack([jnp.float32(b) for b in self.biases]), self.size)
        return x @ kernel + self.param("bias", lambda key: biases)


class Vector(nn.Module):
    """Numbers `[size]` of their own, drawn by `init(key, size)`; zeros by default."""

    size: int
    init: Callable[[jax.Array, int], jax.Array] = lambda key, size: jnp.zeros(size)

    @nn.compact
    def __call__(self) -> jax.Array:
        return self.param("value", lambda key: self.init(key, self.size))


class Cell(nn.RNNCellBase):
    """Base of all cells: `hidden_size` units, the initialisers of the input and the recurrent weights, and the initial state.

    A subclass says how many arrays `[H]` its state has (`carry_arrays`), makes its submodules in `setup` after `super().setup()`,
    and defines `step`, and `project` if it is more than `input`. With `learn_carry` the initial state is a parameter that starts
    at 0.
    """

    hidden_size: int
    kernel_init: Initializer = INITIALIZERS["glorot_uniform"]
    kernel_gain: float | jax.Array = 1.0
    recurrent_init: Initializer = INITIALIZERS["orthogonal"]
    recurrent_gain: float | jax.Array = 1.0
    learn_carry: bool = False

    carry_arrays = 1
    # Directions of the state that change no output, now or later, a unit: scaling a numerator with its denominator, say.
    gauge_directions = 0

    def setup(self):
        if self.learn_carry:
            self.carry = [Vector(self.hidden_size) for _ in range(self.carry_arrays)]

    def project(self, x: jax.Array):
        """All that does not depend on the state; unless a cell says otherwise, W x + b of its submodule `input`."""
        return self.input(x)

    def step(self, carry, z):
        raise NotImplementedError

    def __call__(self, carry, x: jax.Array):
        return self.step(carry, self.project(x))

    def initial_carry(self) -> tuple[jax.Array, ...]:
        """The state before the first step: `carry_arrays` float32 arrays `[H]`."""
        if self.learn_carry:
            return tuple(array() for array in self.carry)
        return (jnp.zeros(self.hidden_size),) * self.carry_arrays

    def with_numbers(self, **numbers) -> "Cell":
        """This cell with other numbers in fields such as `keep_bias`; they may be traced."""
        return self.clone(**numbers)

    def initialize_carry(self, rng, input_shape):
        """The initial state for inputs of `input_shape` = (..., I), as `nn.RNN` asks for it."""
        del rng
        return jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, input_shape[:-1] + leaf.shape),
            self.initial_carry(),
        )

    @property
    def num_feature_axes(self) -> int:
        return 1

    def input_gates(self, *biases) -> Projection:
        """W x + b for as many gates as there are `biases`, which b starts at."""
        return Projection(
            self.hidden_size, biases, self.kernel_init, gain=self.kernel_gain
        )

    def recurrent_gates(self, *parts: int) -> Kernel:
        """U for the gates of the state, in matrices of so many gates each."""
        return Kernel(self.hidden_size, parts, self.recurrent_init, self.recurrent_gain)


def _first_step(cell, x):
    return cell.step(cell.initial_carry(), cell.project(x))


def initialize(cell: nn.Module, key: jax.Array, input_size: int):
    """Fresh variables of a cell, the initial state included if it is learned."""
    return nn.init(_first_step, cell)(key, jnp.zeros(input_size))


def split_parameters(cell: nn.Module, variables, input_size: int):
    """Splits a cell's variables into those that `project` reads and those that `initial_carry` and `step` read.

    The second part does not depend on the input size, so that one compiled recurrence serves all of them.
    """
    key, x = jax.random.key(0), jnp.zeros(input_size)
    z = jax.eval_shape(lambda: cell.apply(variables, x, method="project"))

    def paths(function, *arguments):
        shapes = jax.eval_shape(
            lambda *zeros: nn.init(function, cell)(key, *zeros), *arguments
        )
        return traverse_util.flatten_dict(shapes).keys()

    to_project = paths(lambda bound, x: bound.project(x), x)
    to_step = paths(lambda bound, z: bound.step(bound.initial_carry(), z), z)
    flat = traverse_util.flatten_dict(variables)
    return tuple(
        traverse_util.unflatten_dict(
            {path: flat[path] for path in wanted if path in flat}
        )
        for wanted in (to_project, to_step)
    )
