"""The points of a run: a network of one shape on one task, and where to search."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rnnjax import networks
from rnnjax.capacity.config import Config
from rnnjax.capacity.schema import OWN, POINT_ID
from rnnjax.cells import registry
from rnnjax.cells.cell import Cell
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.settings import Range, SettingError
from rnnjax.tasks.registry import TASKS
from rnnjax.tasks.task import Task

# Options of a network that may be searched over.
GAINS = ("kernel_gain", "recurrent_gain", "readout_gain", "keep_bias")


@dataclasses.dataclass(frozen=True)
class Point:
    """A network on a task; `labels` are what its rows say of both.

    `space` is the range of each hyperparameter.
    """

    network: networks.Network
    task: Task
    space: Mapping[str, Range]
    labels: Mapping[str, Any]

    @property
    def id(self) -> tuple[Any, ...]:
        """The part of a row's identity that all rows of the point share."""
        return tuple(self.labels[key] for key in POINT_ID)

    @property
    def file_name(self) -> str:
        """How the names of its files begin, such as rnn_tanh-1-5-60."""
        cell, *rest = self.id
        words = [registry.file_name(cell), *rest]
        return "-".join(str(value) for value in words if value not in (None, OWN))

    @property
    def gains(self) -> tuple[str, ...]:
        """The options of the network that are searched over."""
        return tuple(name for name in GAINS if name in self.space)


def points(config: Config) -> Iterator[Point]:
    """All points of a run. Raises `SettingError` for a budget below one unit."""
    for cell, recurrent_init, layers, steps, size in itertools.product(
        config.cells,
        config.recurrent_inits,
        config.layers,
        config.steps or (None,),
        config.budgets or config.hidden_sizes,
    ):
        task = at_steps(config.task, steps)
        make = registry.find(cell, config.own)
        if recurrent_init != OWN and "recurrent_init" in registry.options(cell):
            make = functools.partial(make, recurrent_init=INITIALIZERS[recurrent_init])
        if config.learn_carry and "learn_carry" in registry.options(cell):
            make = functools.partial(make, learn_carry=True)
        if config.budgets:
            network, budget = _largest(cell, make, task, size, layers), size
        else:
            network = _network(make, task, size, layers)
            budget = networks.parameter_count(network, task.input_size)
        space = {
            name: r for name, r in config.space.items() if _has(network, cell, name)
        }
        if task.searches_samples and "samples" not in space:
            space["samples"] = task.samples_range(budget)
        about = labels(network, task, cell, budget, recurrent_init)
        yield Point(network, task, space, about)


def _has(network: networks.Network, cell: str, name: str) -> bool:
    """Whether the network has this hyperparameter, as each training has."""
    if name == "keep_bias":
        return name in registry.options(cell)
    of_cells = ("kernel_gain", "recurrent_gain")
    return name not in of_cells or hasattr(network.layers[0], name)


def at_steps(task: Task, steps: int | None) -> Task:
    """The task with other steps; the same one if it has no such option."""
    changes: dict[str, Any] = {} if steps is None else {"steps": steps}
    return dataclasses.replace(task, **changes)


def _largest(
    cell: str, make: Callable[..., Cell], task: Task, budget: int, layers: int
) -> networks.Network:
    try:
        return largest_network(make, task, budget, layers)
    except ValueError as error:
        problem, allowed = f"{error} ({cell})", "more parameters"
        raise SettingError("budgets", budget, problem, allowed) from None


def largest_network(
    make: Callable[..., Cell], task: Task, budget: int, layers: int = 1
) -> networks.Network:
    """The network with the most units that `budget` parameters allow.

    It has `layers` cells `make(hidden_size=...)`. Raises ValueError if the budget is
    too small for one unit.
    """
    units = networks.largest_hidden_size(
        lambda size: _network(make, task, size, layers), budget, task.input_size
    )
    return _network(make, task, units, layers)


def _network(
    make: Callable[..., Cell], task: Task, hidden_size: int, layers: int
) -> networks.Network:
    cell = networks.build(make, hidden_size, layers)
    return networks.Network(cell, outputs=task.outputs)


def labels(
    network: networks.Network,
    task: Task,
    cell: str,
    budget: int,
    recurrent_init: str = OWN,
) -> dict[str, Any]:
    """What rows say of a network and a task."""
    kind = type(task)
    names = [name for name, registered in TASKS.items() if registered is kind]
    return {
        "benchmark": "capacity",
        "task": names[0] if names else kind.__name__,
        "cell": cell,
        "recurrent_init": recurrent_init,
        "layers": networks.layer_count(network),
        "steps": getattr(task, "steps", None),
        "budget": budget,
        "input_size": task.input_size,
        "parameters": networks.parameter_count(network, task.input_size),
    }
