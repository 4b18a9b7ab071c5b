"""Cells on top of one another."""

from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn

from rnnjax.cells.cell import Carry, Projected


class Stack(nn.Module):
    """Cells on top of one another: each layer reads the outputs of the layer below.

    A stack is a cell too (see `cells.cell`). `project` is that of the first layer, the
    only one whose input does not depend on the state; `step` projects for the other
    layers. The state is the tuple of the layers' states.
    """

    layers: tuple[nn.Module, ...]

    @property
    def hidden_size(self) -> int:
        return self.layers[-1].hidden_size

    @property
    def gauge_directions(self) -> float:
        """Those of all layers, for each unit of the last one."""
        return (
            sum(layer.gauge_directions * layer.hidden_size for layer in self.layers)
            / self.hidden_size
        )

    def project(self, x: jax.Array) -> Projected:
        return self.layers[0].project(x)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        state, y = self.layers[0].step(carry[0], z)
        states = [state]
        for layer, state in zip(self.layers[1:], carry[1:]):
            state, y = layer.step(state, layer.project(y))
            states.append(state)
        return tuple(states), y

    def __call__(self, carry: Carry, x: jax.Array) -> tuple[Carry, jax.Array]:
        return self.step(carry, self.project(x))

    def initial_carry(self) -> Carry:
        return tuple(layer.initial_carry() for layer in self.layers)

    def with_options(self, **options: Any) -> "Stack":
        """This stack with other values of some options in every layer."""
        return self.clone(
            layers=tuple(layer.with_options(**options) for layer in self.layers)
        )


def build(
    make_cell: Callable[..., nn.Module],
    hidden_size: int,
    layers: int = 1,
    **options: Any,
) -> nn.Module:
    """`layers` cells on top of one another; with one layer, the cell itself.

    Each cell is `make_cell(hidden_size=hidden_size, **options)`, where `make_cell` is,
    for example, an entry of `cells.registry.CELLS`.
    """
    cells = [make_cell(hidden_size=hidden_size, **options) for _ in range(layers)]
    return cells[0] if layers == 1 else Stack(tuple(cells))
