"""Cells that were not written for this package, with the contract of `cells.cell`.

Their step reads the input itself: `project` gives it as it is.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnnjax.cells.cell import Carry

# init(key, input_size, hidden_size) -> (parameters, carry); the carry, which is the
# initial state, depends on hidden_size alone.
Init = Callable[[jax.Array, int, int], tuple[Any, Any]]
# step(parameters, carry, x [I]) -> (carry, y [H]), of one sample
Step = Callable[[Any, Any, jax.Array], tuple[Any, jax.Array]]


class _Adapted(nn.Module):
    """What both kinds share."""

    @property
    def gauge_directions(self) -> int:
        return 0

    def with_options(self) -> "_Adapted":
        """This cell: none of its options may differ from lane to lane."""
        return self

    def project(self, x: jax.Array) -> jax.Array:
        return x

    def step(self, carry: Carry, x: jax.Array) -> tuple[Carry, jax.Array]:
        raise NotImplementedError

    def __call__(self, carry: Carry, x: jax.Array) -> tuple[Carry, jax.Array]:
        return self.step(carry, x)


class LinenCell(_Adapted):
    """A cell of Flax, or one written for it: `inner(carry, x)` is a step.

    `inner` has the attribute `features`, the number of units, and starts from
    `inner.initialize_carry(jax.random.key(0), (1,))`.
    """

    inner: nn.RNNCellBase

    @property
    def hidden_size(self) -> int:
        return self.inner.features

    def step(self, carry: Carry, x: jax.Array) -> tuple[Carry, jax.Array]:
        return self.inner(carry, x)

    def initial_carry(self) -> Carry:
        return self.inner.initialize_carry(jax.random.key(0), (1,))


class FunctionCell(_Adapted):
    """A cell made of two plain functions; see `Init` and `Step`."""

    hidden_size: int
    init_function: Init
    step_function: Step

    @nn.compact
    def step(self, carry: Carry, x: jax.Array) -> tuple[Carry, jax.Array]:
        def draw(key: jax.Array) -> Any:
            return self.init_function(key, x.shape[-1], self.hidden_size)[0]

        batch = x.shape[:-1]
        carry = jax.tree.map(
            lambda leaf, start: jnp.broadcast_to(leaf, batch + start.shape),
            carry,
            self.initial_carry(),
        )
        step = functools.partial(self.step_function, self.param("weights", draw))
        for _ in batch:
            step = jax.vmap(step)
        return step(carry, x)

    def initial_carry(self) -> Carry:
        return self.init_function(jax.random.key(0), 1, self.hidden_size)[1]


def adapt(cell: Any) -> Callable[..., nn.Module] | None:
    """What makes a cell of so many units: `make(hidden_size=..., **options)`.

    `cell` is a class with the contract of `cells.cell`, a class of Flax's cells such as
    `nn.GRUCell`, or a pair of functions (`Init`, `Step`). None for anything else.
    """
    if isinstance(cell, type) and issubclass(cell, nn.Module):
        if hasattr(cell, "step"):
            return cell
        if not issubclass(cell, nn.RNNCellBase):
            return None
        make: Any = cell
        return lambda *, hidden_size, **options: LinenCell(
            make(features=hidden_size, **options)
        )
    if isinstance(cell, tuple) and len(cell) == 2 and all(map(callable, cell)):
        return lambda *, hidden_size: FunctionCell(hidden_size, *cell)
    return None


def adapt_made(cell: Any) -> nn.Module:
    """The same of a cell that is made already: a cell of Flax is adapted."""
    return cell if hasattr(cell, "step") else LinenCell(cell)
