"""The parts of a run: one shape with its seeds each."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from flax import linen as nn

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine.lanes import Group
from rnnjax.engine.runner import RowId, Runner, split_seeds
from rnnjax.memory_stability import trained
from rnnjax.memory_stability.config import SIZES, Config
from rnnjax.memory_stability.experiment import Stability
from rnnjax.memory_stability.schema import FRESH, TRAINED
from rnnjax.memory_stability.summary import title
from rnnjax.results.schema import Row
from rnnjax.settings import SettingError

# A guess of seconds, for progress: compiling a shape; a chunk of one lane, a part of it
# that does not depend on the units and one that grows with their square; pairs of few
# units merge within a few chunks.
COMPILE_SECONDS = 0.5
CHUNK_SECONDS, CHUNK_SECONDS_AT_128_UNITS = 3e-4, 2.5e-3
FEW_UNITS, FEW_CHUNKS = 32, 8


@dataclasses.dataclass(frozen=True)
class Shape:
    """The seeds of one cell, number of layers, units and input size.

    It is an `engine.runner.Part`. `make` makes the experiment, which for trained
    networks reads their weights.
    """

    cell: str
    weights: str
    layers: int
    hidden_size: int
    input_size: int
    seeds: tuple[int, ...]
    make: Callable[[], Stability] = dataclasses.field(compare=False)

    @functools.cached_property
    def experiment(self) -> Stability:
        return self.make()

    @property
    def name(self) -> str:
        series = title(self.cell, self.layers, self.weights)
        return f"{series}, {self.hidden_size} units, {self.input_size} inputs"

    @property
    def ids(self) -> list[RowId]:
        """The identity of each lane, as `schema.ROW_ID` orders it."""
        shape = (self.cell, self.weights, self.input_size, self.hidden_size)
        return [(*shape, self.layers, seed) for seed in self.seeds]

    @property
    def programs(self) -> frozenset[Hashable]:
        return self.experiment.programs

    def lanes(self, known: Mapping[RowId, Row]) -> int:
        return sum(row_id not in known for row_id in self.ids)

    def cost(self, known: Mapping[RowId, Row]) -> float:
        return self._seconds(self.lanes(known))

    def run(self, runner: Runner) -> None:
        runner.rows(self.ids, lambda missing: [self._group(missing)])

    def _group(self, missing: list[int]) -> Group:
        seeds = tuple(self.seeds[k] for k in missing)
        cell = self.cell if self.weights == FRESH else f"{self.cell}-{self.weights}"
        shape = f"{cell}-i{self.input_size}-h{self.hidden_size}-l{self.layers}"
        name = f"{shape}-s{seeds[0]}-{seeds[-1]}"
        return Group(name, self.experiment, seeds, self._seconds(len(seeds)))

    def _seconds(self, seeds: int) -> float:
        """About how long so many seeds take."""
        if not seeds:
            return 0.0
        chunks = self.experiment.chunks
        if not self.experiment.full and self.hidden_size <= FEW_UNITS:
            chunks = min(chunks, FEW_CHUNKS)
        by_units = CHUNK_SECONDS_AT_128_UNITS * (self.hidden_size / 128) ** 2
        return COMPILE_SECONDS + seeds * chunks * (CHUNK_SECONDS + by_units)


def parts(config: Config, processes: int = 1) -> list[Shape]:
    """Every shape of a run with its seeds, cut for so many processes.

    Shapes that share a recurrence follow one another.
    """
    if config.network:
        return list(_trained_shapes(config))
    shapes = list(_shapes(config))
    return [
        Shape(
            cell,
            FRESH,
            layers,
            hidden_size,
            input_size,
            seeds,
            functools.partial(
                _experiment, config, cell, layers, hidden_size, input_size
            ),
        )
        for cell, layers, hidden_size, input_size in shapes
        for seeds in split_seeds(config.seed_list, len(shapes), processes)
    ]


def _shapes(config: Config) -> Iterator[tuple[str, int, int, int]]:
    """Cell, layers, units and input size of every shape."""
    for cell, layers in itertools.product(config.cells, config.layers):
        if config.budget is None:
            sizes = itertools.product(config.hidden_sizes or SIZES, config.input_sizes)
        else:
            units = [
                _units(config, cell, layers, input_size)
                for input_size in config.input_sizes
            ]
            sizes = zip(units, config.input_sizes)
        yield from ((cell, layers, units, inputs) for units, inputs in sizes)


def _units(config: Config, cell: str, layers: int, input_size: int) -> int:
    """The most units within the budget. Raises `SettingError` if one is too many."""
    assert config.budget is not None

    def make(hidden_size: int) -> nn.Module:
        return _experiment(config, cell, layers, hidden_size, input_size).cell

    try:
        return networks.largest_hidden_size(make, config.budget, input_size)
    except ValueError:
        needed = networks.parameter_count(make(1), input_size)
        what = f"{title(cell, layers)} with {input_size} inputs"
        problem = f"too small for one unit of {what}"
        allowed = f"{needed} or more parameters"
        raise SettingError("budget", config.budget, problem, allowed) from None


def _experiment(
    config: Config, cell: str, layers: int, hidden_size: int, input_size: int
) -> Stability:
    traced, static = cell_options(config, cell)
    return Stability(
        networks.build(registry.CELLS[cell], hidden_size, layers, **static),
        input_size,
        input_scale=config.input_scale,
        traced_options=traced,
        labels={"benchmark": "memory_stability", "cell": cell},
        **config.measurement,
    )


def cell_options(config: Config, cell: str) -> tuple[dict[str, float], dict[str, Any]]:
    """The traced and the static options of a cell, where it does not keep its own."""
    values: dict[str, Any] = {}
    for name, value in config.options.items():
        if isinstance(value, Mapping):
            value = value.get(cell)
        if value is not None and name in registry.options(cell):
            values[name] = value
    traced = {k: v for k, v in values.items() if k in registry.TRACED_OPTIONS}
    static = {k: v for k, v in values.items() if k not in traced}
    for name, table in registry.NAMED_OPTIONS.items():
        if name in static:
            static[name] = table[static[name]]
    return traced, static


def resolved_options(config: Config) -> dict[str, dict[str, Any]]:
    """All options of each cell, by name, for config.json."""
    out = {}
    for cell in config.cells if not config.network else ():
        traced, static = cell_options(config, cell)
        module = registry.CELLS[cell](hidden_size=1, **static)
        out[cell] = registry.option_values(module) | traced
    return {"options": out}


def _trained_shapes(config: Config) -> Iterator[Shape]:
    """For each shape, the trained networks, and random ones on the same inputs."""
    for module, task, same in trained.shapes(config.networks):
        cell, hidden_size, layers = same[0].shape
        seeds = tuple(network.seed for network in same)
        for weights in (TRAINED, FRESH):

            def make(module=module, task=task, same=same, weights=weights) -> Stability:
                loaded = {network.seed: network.load() for network in same}
                labels = {"benchmark": "memory_stability", "cell": cell}  # noqa: B023
                return Stability(
                    module,
                    task.input_size,
                    weights=loaded if weights == TRAINED else None,
                    inputs=task.probe_inputs,
                    labels=labels | {"weights": weights},
                    **config.measurement,
                )

            yield Shape(
                cell, weights, layers, hidden_size, task.input_size, seeds, make
            )
