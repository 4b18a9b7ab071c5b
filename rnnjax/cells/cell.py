"""The contract of a cell, and the weights all cells share.

A cell splits its update into the part that does not depend on the state and the part that does:

    z          = cell.project(x)        x [..., I] -> z [..., anything], for a whole sequence in one product
    (carry, y) = cell.step(carry, z)    one time step; y [H] is the output, and what a next layer receives

`cell(carry, x)` is the two together, so every cell also works wherever Flax expects an `nn.RNNCellBase`. Submodules
keep the weights, so that Flax itself can tell which of them `project` needs and which `step` (see `split_parameters`).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util

from rnnjax.initializers import INITIALIZERS, Initializer

Activation = Callable[[jax.Array], jax.Array]


class Kernel(nn.Module):
    """Recurrent weights: one draw of `[rows, gates * size]` times `gain`, kept in `parts` of so many gates each.

    A cell that uses its gates in separate products keeps them in separate matrices: cut inside a loop over time, a
    matrix would be copied at every step.
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
    """x W + b with W `[I, gates * size]` and b `[gates * size]`; gate k starts with the bias `biases[k]`."""

    size: int
    biases: tuple
    init: Initializer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        gates = len(self.biases)
        kernel = self.param("kernel", lambda key: self.init(key, x.shape[-1], gates, self.size))
        biases = jnp.repeat(jnp.stack([jnp.float32(b) for b in self.biases]), self.size)
        return x @ kernel + self.param("bias", lambda key: biases)


class Bias(nn.Module):
    """A bias `[size]` that starts at 0."""

    size: int

    @nn.compact
    def __call__(self) -> jax.Array:
        return self.param("bias", nn.initializers.zeros_init(), (self.size,))


class Cell(nn.RNNCellBase):
    """Base of all cells: `hidden_size` units and the initialisers of the input and the recurrent weights."""

    hidden_size: int
    kernel_init: Initializer = INITIALIZERS["glorot_uniform"]
    recurrent_init: Initializer = INITIALIZERS["orthogonal"]
    recurrent_gain: float | jax.Array = 1.0

    def project(self, x: jax.Array):
        raise NotImplementedError

    def step(self, carry, z):
        raise NotImplementedError

    def __call__(self, carry, x: jax.Array):
        return self.step(carry, self.project(x))

    def initial_carry(self):
        """The state before the first step: a tuple of float32 arrays `[H]`."""
        raise NotImplementedError

    def initialize_carry(self, rng, input_shape):
        """The initial state for inputs of `input_shape` = (..., I), as `nn.RNN` asks for it."""
        del rng
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, input_shape[:-1] + leaf.shape), self.initial_carry())

    @property
    def num_feature_axes(self) -> int:
        return 1

    def _projection(self, *biases) -> Projection:
        return Projection(self.hidden_size, biases, self.kernel_init)

    def _recurrent(self, *parts: int) -> Kernel:
        return Kernel(self.hidden_size, parts, self.recurrent_init, self.recurrent_gain)


def split_parameters(cell: nn.Module, variables, input_size: int):
    """Splits a cell's variables into those that `project` reads and those that `step` reads.

    The second part does not depend on the input size, so that one compiled recurrence serves all of them.
    """
    x = jnp.zeros(input_size)
    key = jax.random.key(0)

    def paths(*args, method):
        return traverse_util.flatten_dict(jax.eval_shape(lambda: cell.init(key, *args, method=method))).keys()

    def project(x):
        return cell.init_with_output(key, x, method="project")[0]

    z = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(project, x))
    carry = cell.apply(variables, method="initial_carry")
    flat = traverse_util.flatten_dict(variables)
    return tuple(
        traverse_util.unflatten_dict({path: flat[path] for path in paths(*args, method=method)})
        for args, method in (((x,), "project"), ((carry, z), "step"))
    )
