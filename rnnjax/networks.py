"""Networks: embedding -> stack of cells -> read-out; how many parameters they have, and the most units under a budget."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnnjax.cells import cell as cell_lib
from rnnjax.engine import unroll


class Stack(nn.Module):
    """Cells on top of one another; each receives the outputs of the one below. It is a cell itself (see `cells.cell`).

    Only the first layer's projection can be hoisted out of the loop over time. The state is the tuple of the layers' states.
    """

    layers: tuple[nn.Module, ...]

    @property
    def hidden_size(self) -> int:
        return self.layers[-1].hidden_size

    @property
    def gauge_directions(self) -> float:
        return (
            sum(layer.gauge_directions * layer.hidden_size for layer in self.layers)
            / self.hidden_size
        )

    def project(self, x: jax.Array):
        return self.layers[0].project(x)

    def step(self, carry, z):
        state, y = self.layers[0].step(carry[0], z)
        after = [state]
        for layer, state in zip(self.layers[1:], carry[1:]):
            state, y = layer.step(state, layer.project(y))
            after.append(state)
        return tuple(after), y

    def __call__(self, carry, x: jax.Array):
        return self.step(carry, self.project(x))

    def initial_carry(self) -> tuple:
        return tuple(layer.initial_carry() for layer in self.layers)

    def with_numbers(self, **numbers) -> "Stack":
        return self.clone(
            layers=tuple(layer.with_numbers(**numbers) for layer in self.layers)
        )


def stack(make: Callable[[], nn.Module], layers: int) -> nn.Module:
    """`layers` cells from `make` on top of one another; a single one is left as it is."""
    return make() if layers == 1 else Stack(tuple(make() for _ in range(layers)))


def layer_count(cell: nn.Module) -> int:
    """The layers of a stack, or of a network's; 1 for a cell."""
    cell = cell.cell if isinstance(cell, Network) else cell
    return len(cell.layers) if isinstance(cell, Stack) else 1


def outputs(
    network: "Network", variables, z, silence: tuple | None = None
) -> jax.Array:
    """What the top layer puts out, y `[T, B, H]`, from the initial state on.

    z `[T, B, ...]` is what the first layer projects of the inputs. `silence` = (s [...], count) are as many steps more that are all
    projected s; y is then `[T + count, B, H]`. Layer by layer: what a layer reads of the one below is projected as one product for
    all steps.
    """
    for k, start in enumerate(network.apply(variables, method="initial_layers")):

        def step(carry, row):
            return network.apply(variables, k, carry, row, method="step_layer")  # noqa: B023

        if k > 0:
            z = network.apply(variables, k, y, method="project_layer")  # noqa: F821
        carry, y = unroll.from_start(step, start, z)
        if k == 0 and silence:
            same = jax.tree.map(
                lambda s, rows: jnp.broadcast_to(s, rows.shape[1:]), silence[0], z
            )
            y = jnp.concatenate([y, unroll.repeat(step, carry, same, silence[1])[1]])
    return y


class Network(nn.Module):
    """A cell or stack between an optional embedding and an optional read-out.

    With `embedding` = (classes, size) inputs are whole numbers `[...]` below `classes`, and a table [classes, size] maps them to
    vectors; otherwise they are vectors `[..., I]`. With `outputs`, `read` maps y [H] to y W + b, W [H, outputs] starting as
    `readout_gain` times a Glorot-uniform draw and b at 0; otherwise to y itself. The network is a cell too; its output y is the
    hidden one, before `read`.
    """

    cell: nn.Module
    embedding: tuple[int, int] | None = None
    outputs: int | None = None
    readout_gain: float | jax.Array = 1.0

    @property
    def hidden_size(self) -> int:
        return self.cell.hidden_size

    @property
    def gauge_directions(self) -> float:
        return self.cell.gauge_directions

    def setup(self):
        if self.embedding:
            self.embed = nn.Embed(*self.embedding)
        if self.outputs:
            glorot = nn.initializers.glorot_uniform()
            self.readout = nn.Dense(
                self.outputs,
                kernel_init=lambda *shape: self.readout_gain * glorot(*shape),
            )

    def project(self, x: jax.Array):
        return self.cell.project(self.embed(x) if self.embedding else x)

    def step(self, carry, z):
        return self.cell.step(carry, z)

    @property
    def layers(self) -> tuple[nn.Module, ...]:
        return self.cell.layers if isinstance(self.cell, Stack) else (self.cell,)

    def project_layer(self, k: int, x: jax.Array):
        return self.layers[k].project(x)

    def step_layer(self, k: int, carry, z):
        return self.layers[k].step(carry, z)

    def initial_layers(self) -> tuple:
        """The initial states, one for each layer."""
        return tuple(layer.initial_carry() for layer in self.layers)

    def read(self, y: jax.Array) -> jax.Array:
        return self.readout(y) if self.outputs else y

    def __call__(self, carry, x: jax.Array):
        return self.step(carry, self.project(x))

    def initial_carry(self):
        return self.cell.initial_carry()

    def with_numbers(
        self, readout_gain: float | jax.Array = 1.0, **numbers
    ) -> "Network":
        """This network with another `readout_gain`, and its cells with other numbers; all may be traced."""
        return self.clone(
            cell=self.cell.with_numbers(**numbers), readout_gain=readout_gain
        )


def initialize(network: Network, key: jax.Array, input_size: int | None = None):
    """Fresh variables; `input_size` is needed where there is no embedding."""

    def every_part(bound, x):
        return bound.read(bound(bound.initial_carry(), x)[1])

    x = jnp.zeros((), jnp.int32) if network.embedding else jnp.zeros(input_size)
    return nn.init(every_part, network)(key, x)


def shapes(network: Network | nn.Module, input_size: int | None = None):
    """The variables of a network or a cell as shapes. Nothing is allocated."""
    make = initialize if isinstance(network, Network) else cell_lib.initialize
    return jax.eval_shape(lambda: make(network, jax.random.key(0), input_size))


def parameter_count(network: Network | nn.Module, input_size: int | None = None) -> int:
    """The number of parameters of a network or a cell, learned initial states included. Nothing is allocated."""
    return sum(leaf.size for leaf in jax.tree.leaves(shapes(network, input_size)))


def largest_units(
    make: Callable[[int], nn.Module], budget: int, input_size: int | None = None
) -> int:
    """The most units such that `make(units)` has at most `budget` parameters. Raises ValueError if one unit has more."""

    def fits(units: int) -> bool:
        return parameter_count(make(units), input_size) <= budget

    if not fits(1):
        needed = parameter_count(make(1), input_size)
        raise ValueError(
            f"a budget of {budget} parameters is too small for one unit, which takes {needed}"
        )
    high = 2
    while fits(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def readout(variables) -> tuple[jax.Array, jax.Array]:
    """The matrix [H, outputs] and the vector [outputs] that a network's `read` applies."""
    weights = variables["params"]["readout"]
    return weights["kernel"], weights["bias"]
