"""How many parameters a network or a cell has, found without allocating any."""

from collections.abc import Callable

import jax
from flax import linen as nn

from rnnjax.cells import cell as cell_lib
from rnnjax.cells.cell import Variables
from rnnjax.networks.network import Network, initialize


def shapes(network: nn.Module, input_size: int | None = None) -> Variables:
    """The variables of a network or a cell, as `jax.ShapeDtypeStruct`s."""
    make: Callable[..., Variables] = cell_lib.initialize
    if isinstance(network, Network):
        make = initialize
    return jax.eval_shape(lambda: make(network, jax.random.key(0), input_size))


def parameter_count(network: nn.Module, input_size: int | None = None) -> int:
    """The parameters of a network or a cell, including learned initial states."""
    return sum(leaf.size for leaf in jax.tree.leaves(shapes(network, input_size)))


def largest_hidden_size(
    make: Callable[[int], nn.Module], budget: int, input_size: int | None = None
) -> int:
    """The most units n such that `make(n)` has at most `budget` parameters.

    Raises:
      ValueError: one unit has more parameters than `budget`.
    """

    def fits(hidden_size: int) -> bool:
        return parameter_count(make(hidden_size), input_size) <= budget

    if not fits(1):
        needed = parameter_count(make(1), input_size)
        raise ValueError(
            f"a budget of {budget} parameters is too small for one unit, "
            f"which takes {needed}"
        )
    too_large = 2
    while fits(too_large):
        too_large *= 2
    largest = too_large // 2
    while too_large - largest > 1:
        middle = (largest + too_large) // 2
        if fits(middle):
            largest = middle
        else:
            too_large = middle
    return largest
