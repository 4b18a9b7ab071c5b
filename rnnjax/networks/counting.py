"""How many parameters a network or a cell has, found without allocating any."""

import functools
import math
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


@functools.lru_cache(maxsize=1024)
def parameter_count(network: nn.Module, input_size: int | None = None) -> int:
    """The parameters of a network or a cell, including learned initial states."""
    return sum(leaf.size for leaf in jax.tree.leaves(shapes(network, input_size)))


def state_size(network: Network, input_size: int | None = None) -> int:
    """The numbers in the recurrent state of all layers, for one sample."""
    make = functools.partial(network.apply, method="initial_carry")
    carry = jax.eval_shape(make, shapes(network, input_size))
    return sum(leaf.size for leaf in jax.tree.leaves(carry))


def largest_hidden_size(
    make: Callable[[int], nn.Module], budget: int, input_size: int | None = None
) -> int:
    """The most units n such that `make(n)` has at most `budget` parameters.

    Raises:
      ValueError: one unit has more parameters than `budget`.
    """

    def count(hidden_size: int) -> int:
        return parameter_count(make(hidden_size), input_size)

    if count(1) > budget:
        raise ValueError(
            f"a budget of {budget} parameters is too small for one unit, "
            f"which takes {count(1)}"
        )
    # Counts are quadratic in the units, or nearly: a few traces instead of dozens.
    largest = _root(count(1), count(2), count(3), budget)
    too_large, step = largest + 1, 1
    while count(largest) > budget:
        too_large, largest, step = largest, max(1, largest - step), 2 * step
    while count(too_large) <= budget:
        largest, too_large, step = too_large, too_large + step, 2 * step
    while too_large - largest > 1:
        middle = (largest + too_large) // 2
        if count(middle) <= budget:
            largest = middle
        else:
            too_large = middle
    return largest


def _root(one: int, two: int, three: int, budget: int) -> int:
    """The last n >= 1 at which the parabola through 1, 2 and 3 is within `budget`."""
    curve = (three - 2 * two + one) / 2
    slope = two - one - 3 * curve
    rest = budget - (one - curve - slope)
    if curve <= 0:
        return max(1, int(rest / slope)) if slope > 0 else 1
    return max(1, int((math.sqrt(slope**2 + 4 * curve * rest) - slope) / (2 * curve)))
