"""The parts of a run: the lanes of one cell, depth and number of units each.

Lanes of a part differ in their number of inputs, the scale of these, numbers of the
cell, and seed. They advance together, in one program.
"""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from flax import linen as nn

from rnnjax import networks
from rnnjax.cells import cell as cell_lib
from rnnjax.cells import registry
from rnnjax.engine.lanes import Group
from rnnjax.engine.runner import RowId, Runner
from rnnjax.memory_stability import trained
from rnnjax.memory_stability.config import SIZES, Config
from rnnjax.memory_stability.experiment import Point, Stability
from rnnjax.memory_stability.schema import CELL_NUMBERS, FRESH, NUMBERS, TRAINED
from rnnjax.memory_stability.source import CHUNK
from rnnjax.memory_stability.summary import title
from rnnjax.results.schema import Row
from rnnjax.settings import SettingError
from rnnjax.tasks.task import Task

Network = tuple[str, int, int]  # cell, layers, units
Seeded = tuple[Point, int]  # a lane: its point and its seed

# Weights and inputs of a chunk of the lanes that advance together: 1 GB of float32.
GROUP_NUMBERS = 2**28

# A guess of seconds, for progress: compiling a part; a chunk of one lane, a part of it
# that does not depend on the units and one that grows with their square; pairs of few
# units merge within a few chunks.
COMPILE_SECONDS = 2.0
CHUNK_SECONDS, CHUNK_SECONDS_AT_128_UNITS = 2e-4, 2.5e-3
FEW_UNITS, FEW_CHUNKS = 32, 8


@dataclasses.dataclass(frozen=True)
class Part:
    """Lanes of one cell, depth and number of units. It is a `runner.Part`.

    `make` makes the experiment of lanes that stand at these points.
    """

    config: Config
    network: Network
    weights: str
    seeded: tuple[Seeded, ...]
    make: Callable[[tuple[Point, ...]], Stability] = dataclasses.field(compare=False)

    @property
    def name(self) -> str:
        cell, layers, hidden_size = self.network
        return f"{title(cell, layers, self.weights)}, {hidden_size} units"

    @property
    def programs(self) -> frozenset[Any]:
        sizes = tuple(sorted({point.input_size for point, _ in self.seeded}))
        programs = {(kind, *self.network, sizes) for kind in ("init", "advance")}
        return frozenset({("draw", sizes), *programs})

    @functools.cached_property
    def ids(self) -> list[RowId]:
        """The identity of each lane's row, in the order of `schema.ROW_ID`."""
        return [self._id(point, seed) for point, seed in self.seeded]

    def _id(self, point: Point, seed: int) -> RowId:
        cell, layers, hidden_size = self.network
        numbers = {"input_scale": point.input_scale, **point.options}
        shape = (cell, self.weights, point.input_size, hidden_size, layers)
        return (*shape, *(numbers.get(name) for name in NUMBERS), seed)

    def lanes(self, known: Mapping[RowId, Row]) -> int:
        return sum(row_id not in known for row_id in self.ids)

    def cost(self, known: Mapping[RowId, Row]) -> float:
        missing = self.lanes(known)
        return self._seconds(missing) if missing else 0.0

    def run(self, runner: Runner) -> None:
        runner.rows(self.ids, self.groups)

    def groups(self, missing: Sequence[int]) -> Iterator[Group]:
        """The lanes with these indices, as many at once as fit `GROUP_NUMBERS`."""
        cell = self.make((self.seeded[0][0],)).cell
        for lanes in self._alike(cell, missing):
            widest = max(self.seeded[k][0].input_size for k in lanes)
            size = networks.parameter_count(cell, widest) + CHUNK * widest
            count = -(-len(lanes) // max(1, GROUP_NUMBERS // size))
            for some in np.array_split(np.asarray(lanes), count):
                yield self._group([self.seeded[k] for k in some])

    def _alike(self, cell: nn.Module, lanes: Sequence[int]) -> Iterator[list[int]]:
        """Lanes that one program can advance: all, unless a step reads inputs itself.

        Then only those of one number of inputs are alike.
        """
        if not cell_lib.reads_inputs(cell):
            yield list(lanes)
            return

        def inputs(lane: int) -> int:
            return self.seeded[lane][0].input_size

        for _, same in itertools.groupby(sorted(lanes, key=inputs), inputs):
            yield list(same)

    def _group(self, seeded: Sequence[Seeded]) -> Group:
        """A group whose name depends on its lanes: a run may be extended by others."""
        cell, layers, hidden_size = self.network
        label = registry.file_name(cell)
        label += "" if self.weights == FRESH else f"-{self.weights}"
        ids = repr([self._id(*lane) for lane in seeded])
        digest = hashlib.sha256(ids.encode()).hexdigest()[:8]
        lanes = f"{len(seeded)}-lanes-{digest}"
        points, seeds = zip(*seeded)
        return Group(
            name=f"{label}-h{hidden_size}-l{layers}-{lanes}",
            experiment=self.make(points),
            seeds=seeds,
            cost=self._seconds(len(seeded)),
        )

    def _seconds(self, lanes: int) -> float:
        """About how long so many lanes take."""
        chunks, hidden_size = self.config.steps / CHUNK, self.network[2]
        if not self.config.full and hidden_size <= FEW_UNITS:
            chunks = min(chunks, FEW_CHUNKS)
        by_units = CHUNK_SECONDS_AT_128_UNITS * (hidden_size / 128) ** 2
        return COMPILE_SECONDS + lanes * chunks * (CHUNK_SECONDS + by_units)


def parts(config: Config, processes: int = 1) -> list[Part]:
    """Every number of units of a run, cut for so many processes.

    Each process gets a piece of every number of units, as most of the time is spent on
    the largest.
    """
    whole = _trained_parts(config) if config.network else _fresh_parts(config)
    return [piece for part in whole for piece in _cut(part, processes)]


def _cut(part: Part, processes: int) -> Iterator[Part]:
    count = min(processes, len(part.seeded))
    for some in np.array_split(np.arange(len(part.seeded)), count):
        seeded = tuple(part.seeded[k] for k in some)
        yield dataclasses.replace(part, seeded=seeded)


def _fresh_parts(config: Config) -> Iterator[Part]:
    """Networks with random weights."""
    for (cell, layers, hidden_size), input_sizes in _networks(config).items():
        points = _points(config, cell, input_sizes)
        make = functools.partial(_experiment, config, cell, layers, hidden_size)
        seeded = tuple(itertools.product(points, config.seed_list))
        yield Part(config, (cell, layers, hidden_size), FRESH, seeded, make)


def _points(config: Config, cell: str, input_sizes: Sequence[int]) -> Iterator[Point]:
    """The points of lanes: each number of inputs with each value of every number."""
    numbers = config.numbers(cell)
    every = list(itertools.product(*numbers.values()))
    for size, (scale, *values) in itertools.product(input_sizes, every):
        yield Point(size, scale, dict(zip(list(numbers)[1:], values)))


def _networks(config: Config) -> dict[Network, list[int]]:
    """Every cell, depth and number of units, with its numbers of inputs."""
    out: dict[Network, list[int]] = {}
    for cell, layers, hidden_size, input_size in _shapes(config):
        out.setdefault((cell, layers, hidden_size), []).append(input_size)
    return out


def _shapes(config: Config) -> Iterator[tuple[str, int, int, int]]:
    """Cell, layers, units and inputs of every shape of the grid."""
    for cell, layers in itertools.product(config.cells, config.layers):
        if config.budget is None:
            hidden_sizes = config.hidden_sizes or SIZES
            sizes = list(itertools.product(hidden_sizes, config.input_sizes))
        else:
            units = [
                _units(config, cell, layers, input_size)
                for input_size in config.input_sizes
            ]
            sizes = list(zip(units, config.input_sizes))
        yield from ((cell, layers, units, inputs) for units, inputs in sizes)


def _units(config: Config, cell: str, layers: int, input_size: int) -> int:
    """The most units within the budget. Raises `SettingError` if one is too many."""
    assert config.budget is not None

    def make(hidden_size: int) -> nn.Module:
        return _module(config, cell, layers, hidden_size)

    try:
        return networks.largest_hidden_size(make, config.budget, input_size)
    except ValueError:
        needed = networks.parameter_count(make(1), input_size)
        what = f"{title(cell, layers)} with {input_size} inputs"
        problem = f"too small for one unit of {what}"
        allowed = f"{needed} or more parameters"
        raise SettingError("budget", config.budget, problem, allowed) from None


def _module(config: Config, cell: str, layers: int, hidden_size: int) -> nn.Module:
    """The network of a shape; its numbers are those of the points."""
    return networks.build(
        registry.find(cell, config.own),
        hidden_size,
        layers,
        **_static_options(config, cell),
    )


def _static_options(config: Config, cell: str) -> dict[str, Any]:
    """The options of a cell that are no numbers, where it does not keep its own."""
    options = {
        name: value
        for name, value in config.cell_options(cell).items()
        if name not in CELL_NUMBERS
    }
    for name, table in registry.NAMED_OPTIONS.items():
        if name in options:
            options[name] = table[options[name]]
    return options


def _experiment(
    config: Config,
    cell: str,
    layers: int,
    hidden_size: int,
    points: tuple[Point, ...],
) -> Stability:
    return Stability(
        _module(config, cell, layers, hidden_size),
        points,
        labels={"benchmark": "memory_stability", "cell": cell},
        **config.measurement,
    )


def resolved_options(config: Config) -> dict[str, dict[str, Any]]:
    """The options of each cell, by name, for config.json; numbers are axes."""
    out = {}
    for cell in config.cells if not config.network else ():
        module = _module(config, cell, 1, 1)
        values = registry.option_values(module)
        out[cell] = {k: v for k, v in values.items() if k not in CELL_NUMBERS}
    return {"options": out}


def _trained_parts(config: Config) -> Iterator[Part]:
    """For each shape, the trained networks, and random ones on the same inputs."""
    for module, task, same in trained.shapes(config.networks):
        cell, hidden_size, layers = same[0].shape
        # Loaded here, so that damaged weights end a run before anything is written.
        loaded = {network.seed: network.load() for network in same}
        seeded = tuple((Point(task.input_size), seed) for seed in loaded)
        for weights, values in ((TRAINED, loaded), (FRESH, None)):
            labels = {"cell": cell, "weights": weights}
            make = functools.partial(
                _trained_experiment, config, module, task, values, labels
            )
            yield Part(config, (cell, layers, hidden_size), weights, seeded, make)


def _trained_experiment(
    config: Config,
    module: nn.Module,
    task: Task,
    weights: dict[int, Any] | None,
    labels: dict[str, str],
    points: tuple[Point, ...],
) -> Stability:
    """The experiment on the task's inputs, with weights by seed or with random ones."""
    return Stability(
        module,
        points,
        weights=weights,
        inputs=task.probe_inputs,
        labels={"benchmark": "memory_stability", **labels},
        **config.measurement,
    )
