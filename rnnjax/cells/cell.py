"""The contract of a cell, and the weights all cells share.

A cell splits its update into the part that does not depend on the state and the part
that does:

    z        = cell.project(x)       x [..., I]; z is any tree of arrays [..., anything]
    carry, y = cell.step(carry, z)   one time step; y [H] is the output
    carry    = cell.initial_carry()  the state before the first step

A state of arrays `[H]` is that of one sample. All three take leading axes, too: `step`
of a batch z `[B, ...]`, with a state `[B, H]` or one `[H]` that the batch shares.
`project` takes a whole sequence as one product. The output y is what the next layer
receives. `cell(carry, x)` is `step(carry, project(x))`, so every cell also works where
Flax expects an `nn.RNNCellBase`. Weights are kept in submodules, so that Flax reports
which of them `project` reads and which `step` reads (see `split_parameters`).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import core, traverse_util
from flax import linen as nn

from rnnjax.cells.initializers import INITIALIZERS, Initializer

# The state: a tuple of arrays [H]; for a stack, the tuple of its layers' carries.
Carry = tuple[Any, ...]
# What `project` returns and `step` reads: any tree of arrays.
Projected = Any
# The variables of a Flax module: {"params": {submodule: {name: array}}}.
Variables = dict[str, Any]
# A number in the program, or one that is traced and may differ from lane to lane.
Scalar = float | jax.Array


class Kernel(nn.Module):
    """Weights `[rows, gates * size]`: one draw times `gain`, split into matrices.

    `parts` is the number of gates in each matrix. A cell that uses its gates in
    separate products keeps them in separate matrices, because a slice of a matrix
    inside a loop over time would be copied at every step.
    """

    size: int
    parts: tuple[int, ...]
    initializer: Initializer
    gain: Scalar = 1.0

    @nn.compact
    def __call__(self, rows: int) -> tuple[jax.Array, ...]:
        edges = [self.size * sum(self.parts[:k]) for k in range(1, len(self.parts))]

        def draw(key: jax.Array) -> tuple[jax.Array, ...]:
            whole = self.gain * self.initializer(key, rows, sum(self.parts), self.size)
            return tuple(jnp.split(whole, edges, axis=1))

        return self.param("kernel", draw)


class Projection(nn.Module):
    """x W + b, or x W without `use_bias`.

    W `[I, gates * size]` is one draw times `gain`; b `[gates * size]` starts at
    `biases[k]` for gate k.
    """

    size: int
    biases: tuple[Scalar, ...]
    initializer: Initializer
    use_bias: bool = True
    gain: Scalar = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def draw(key: jax.Array) -> jax.Array:
            return self.gain * self.initializer(
                key, x.shape[-1], len(self.biases), self.size
            )

        kernel = self.param("kernel", draw)
        if not self.use_bias:
            return x @ kernel
        biases = jnp.repeat(jnp.stack([jnp.float32(b) for b in self.biases]), self.size)
        return x @ kernel + self.param("bias", lambda key: biases)


class Vector(nn.Module):
    """A parameter `[size]`, drawn by `initializer(key, size)`; zeros by default."""

    size: int
    initializer: Callable[[jax.Array, int], jax.Array] = lambda key, size: jnp.zeros(
        size
    )

    @nn.compact
    def __call__(self) -> jax.Array:
        return self.param("value", lambda key: self.initializer(key, self.size))


class Cell(nn.RNNCellBase):
    """Base of all cells: the number of units, initializers, and the initial state.

    `kernel_init` and `kernel_gain` are of the input weights, `recurrent_init` and
    `recurrent_gain` of the recurrent weights. With `learn_carry` the initial state is a
    parameter that starts at 0.

    A subclass gives the number of arrays `[H]` in its state (`carry_arrays`), makes its
    submodules in `setup` after `super().setup()`, and defines `step`, and `project` if
    it is more than the submodule `input`.
    """

    hidden_size: int
    kernel_init: Initializer = INITIALIZERS["glorot_uniform"]
    kernel_gain: Scalar = 1.0
    recurrent_init: Initializer = INITIALIZERS["orthogonal"]
    recurrent_gain: Scalar = 1.0
    learn_carry: bool = False

    @property
    def carry_arrays(self) -> int:
        """The number of arrays `[H]` in the state."""
        return 1

    @property
    def gauge_directions(self) -> int:
        """Directions of the state, for each unit, that never change an output.

        One, for example, if a numerator and its denominator can be scaled together.
        """
        return 0

    def setup(self) -> None:
        if self.learn_carry:
            self.carry = [Vector(self.hidden_size) for _ in range(self.carry_arrays)]

    def project(self, x: jax.Array) -> Projected:
        """All that does not depend on the state: W x + b of the submodule `input`."""
        return self.input(x)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        """One time step: the next state, and the output y [H]."""
        raise NotImplementedError

    def __call__(self, carry: Carry, x: jax.Array) -> tuple[Carry, jax.Array]:
        return self.step(carry, self.project(x))

    def initial_carry(self) -> Carry:
        """The state before the first step: `carry_arrays` float32 arrays `[H]`."""
        if self.learn_carry:
            return tuple(array() for array in self.carry)
        return (jnp.zeros(self.hidden_size),) * self.carry_arrays

    def with_options(self, **options: Any) -> "Cell":
        """This cell with other values of some options; numbers may be traced."""
        return self.clone(**options)

    def initialize_carry(self, rng: Any, input_shape: tuple[int, ...]) -> Carry:
        """The initial state for inputs of shape `(..., I)`, in the form of `nn.RNN`."""
        del rng
        return jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, input_shape[:-1] + leaf.shape),
            self.initial_carry(),
        )

    @property
    def num_feature_axes(self) -> int:
        return 1

    def input_gates(self, *biases: Scalar, use_bias: bool = True) -> Projection:
        """W x + b for one gate per entry of `biases`, the initial biases.

        W x without `use_bias`.
        """
        return Projection(
            self.hidden_size, biases, self.kernel_init, use_bias, self.kernel_gain
        )

    def recurrent_gates(self, *parts: int) -> Kernel:
        """U for the gates of the state, one matrix per entry of `parts`: `Kernel`."""
        return Kernel(self.hidden_size, parts, self.recurrent_init, self.recurrent_gain)

    def recurrent_vector(self, size: int) -> Vector:
        """Recurrent weights `[size]` that all start at `recurrent_gain`."""
        return Vector(
            size, lambda key, size: self.recurrent_gain * jnp.ones(size, jnp.float32)
        )


def initialize(cell: nn.Module, key: jax.Array, input_size: int) -> Variables:
    """Fresh variables of a cell, including the initial state if it is learned."""

    def first_step(bound: nn.Module, x: jax.Array) -> tuple[Carry, jax.Array]:
        return bound.step(bound.initial_carry(), bound.project(x))

    return core.unfreeze(nn.init(first_step, cell)(key, jnp.zeros(input_size)))


def reads_inputs(cell: nn.Module) -> bool:
    """Whether a step depends on the number of inputs: on x itself, not on W x + b."""

    def step_reads(input_size: int) -> Any:
        x, key = jnp.zeros(input_size), jax.random.key(0)

        def shapes() -> Any:
            variables = initialize(cell, key, input_size)
            z = cell.apply(variables, x, method="project")
            return z, split_parameters(cell, variables, input_size)[1]

        return jax.eval_shape(shapes)

    return step_reads(1) != step_reads(2)


def split_parameters(
    cell: nn.Module, variables: Variables, input_size: int
) -> tuple[Variables, Variables]:
    """Splits variables into what `project` and what `initial_carry` and `step` read.

    The second part does not depend on the input size, so one compiled recurrence serves
    all input sizes.
    """
    key, x = jax.random.key(0), jnp.zeros(input_size)
    z = jax.eval_shape(lambda: cell.apply(variables, x, method="project"))

    def paths(function: Callable, argument: Any) -> set[tuple[str, ...]]:
        """Paths of the parameters that `function(bound cell, argument)` creates."""
        init = nn.init(function, cell)
        shapes = jax.eval_shape(lambda zeros: init(key, zeros), argument)
        return set(traverse_util.flatten_dict(shapes))

    flat = traverse_util.flatten_dict(variables)

    def chosen(wanted: set[tuple[str, ...]]) -> Variables:
        return traverse_util.unflatten_dict(
            {path: leaf for path, leaf in flat.items() if path in wanted}
        )

    to_project = paths(lambda bound, x: bound.project(x), x)
    to_step = paths(lambda bound, z: bound.step(bound.initial_carry(), z), z)
    return chosen(to_project), chosen(to_step)
