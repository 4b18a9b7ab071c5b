"""A network: an optional embedding, a cell or stack, and an optional read-out."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import core
from flax import linen as nn

from rnnjax.cells.cell import Carry, Projected, Scalar, Variables
from rnnjax.cells.initializers import Initializer
from rnnjax.networks.stack import Stack


class Network(nn.Module):
    """A cell or stack between an optional embedding and an optional read-out.

    With `embedding` = (classes, size) inputs are whole numbers `[...]` below `classes`,
    and a table [classes, size] maps them to vectors. It is drawn by `embedding_init`,
    or if that is None as in Flax: normal with variance 1 / size. Without `embedding`
    inputs are vectors `[..., I]`.

    With `outputs`, `read` maps y [H] to y W + b, where W [H, outputs] starts as
    `readout_gain` times a Glorot-uniform draw and b [outputs] at 0. Without it `read`
    returns y.

    A network is a cell too (see `cells.cell`); its output y is the one before `read`.
    """

    cell: nn.Module
    embedding: tuple[int, int] | None = None
    embedding_init: Initializer | None = None
    outputs: int | None = None
    readout_gain: Scalar = 1.0

    @property
    def hidden_size(self) -> int:
        return self.cell.hidden_size

    @property
    def gauge_directions(self) -> float:
        return self.cell.gauge_directions

    @property
    def layers(self) -> tuple[nn.Module, ...]:
        return self.cell.layers if isinstance(self.cell, Stack) else (self.cell,)

    def setup(self) -> None:
        if self.embedding:
            init = self.embedding_init
            options: dict[str, Any] = {}
            if init is not None:
                options["embedding_init"] = lambda key, shape, dtype: init(
                    key, shape[0], 1, shape[1]
                )
            self.embed = nn.Embed(*self.embedding, **options)
        if self.outputs:
            glorot = nn.initializers.glorot_uniform()
            self.readout = nn.Dense(
                self.outputs,
                kernel_init=lambda *shape: self.readout_gain * glorot(*shape),
            )

    def project(self, x: jax.Array) -> Projected:
        return self.cell.project(self.embed(x) if self.embedding else x)

    def step(self, carry: Carry, z: Projected) -> tuple[Carry, jax.Array]:
        return self.cell.step(carry, z)

    def __call__(self, carry: Carry, x: jax.Array) -> tuple[Carry, jax.Array]:
        return self.step(carry, self.project(x))

    def initial_carry(self) -> Carry:
        return self.cell.initial_carry()

    def project_layer(self, layer: int, x: jax.Array) -> Projected:
        """`project` of one layer, counted from 0 at the bottom."""
        return self.layers[layer].project(x)

    def step_layer(
        self, layer: int, carry: Carry, z: Projected
    ) -> tuple[Carry, jax.Array]:
        """`step` of one layer."""
        return self.layers[layer].step(carry, z)

    def initial_layers(self) -> tuple[Carry, ...]:
        """The initial state of each layer."""
        return tuple(layer.initial_carry() for layer in self.layers)

    def read(self, y: jax.Array) -> jax.Array:
        """y W + b `[..., outputs]` for outputs y `[..., H]` of the cell."""
        return self.readout(y) if self.outputs else y

    def with_options(
        self, readout_gain: Scalar | None = None, **options: Any
    ) -> "Network":
        """This network with another `readout_gain`, and other options of its cells.

        Numbers may be traced.
        """
        gain = self.readout_gain if readout_gain is None else readout_gain
        return self.clone(cell=self.cell.with_options(**options), readout_gain=gain)


def initialize(
    network: Network, key: jax.Array, input_size: int | None = None
) -> Variables:
    """Fresh variables; `input_size` is needed if there is no embedding."""

    def all_parts(bound: Network, x: jax.Array) -> jax.Array:
        return bound.read(bound(bound.initial_carry(), x)[1])

    x = jnp.zeros((), jnp.int32) if network.embedding else jnp.zeros(input_size)
    return core.unfreeze(nn.init(all_parts, network)(key, x))


def readout(variables: Variables) -> tuple[jax.Array, jax.Array]:
    """The matrix [H, outputs] and the vector [outputs] of a network's `read`."""
    weights = variables["params"]["readout"]
    return weights["kernel"], weights["bias"]


def layer_count(network: nn.Module) -> int:
    """The number of layers of a network, a stack or a cell."""
    cell = network.cell if isinstance(network, Network) else network
    return len(cell.layers) if isinstance(cell, Stack) else 1
