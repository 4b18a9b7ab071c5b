"""The parts of a run: the lanes of one cell, depth and number of units each.

Lanes of a part differ in their number of inputs, the scale of these, numbers of the
cell, and seed. They advance together, in one program.
"""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from flax import linen as nn

from rnnjax import networks
from rnnjax.cells import cell as cell_lib
from rnnjax.cells import registry
from rnnjax.engine.lanes import Group
from rnnjax.engine.runner import RowId, Runner
from rnnjax.memory_stability.config import SIZES, Config
from rnnjax.memory_stability.experiment import Point, Stability
from rnnjax.memory_stability.schema import CELL_NUMBERS, FRESH, NUMBERS, TRAINED
from rnnjax.memory_stability.source import CHUNK
from rnnjax.memory_stability.summary import title
from rnnjax.results.schema import Row
from rnnjax.settings import SettingError
from rnnjax.tasks.task import Task
from rnnjax.training import trained

Network = tuple[str, int, int]  # cell, layers, units
# Weights and inputs of a chunk of the lanes that advance together: 1 GB of float32.
GROUP_NUMBERS = 2**28

# A guess of seconds, for progress: compiling the loop of a part, and for each number of
# inputs their draw and the start; a chunk of one lane, a part of it that does not
# depend on the units and one that grows with their square; pairs of few units merge
# within a few chunks; the start of a lane grows with the cube of the units.
COMPILE_SECONDS, COMPILE_SECONDS_OF_SIZE = 1.9, 0.6
CHUNK_SECONDS, CHUNK_SECONDS_AT_128_UNITS = 2e-4, 2.5e-3
FEW_UNITS, FEW_CHUNKS = 32, 8
START_SECONDS_AT_1024_UNITS = 0.2
UNITS_OUT_OF_CACHE, OUT_OF_CACHE = 1024, 3.0  # times as long, if weights are read anew


@dataclasses.dataclass(frozen=True)
class Lanes(Sequence[tuple[Point, int]]):
    """The lanes of every point with every seed, or some of these, by index.

    A lane, its point and its seed, is made when it is read: there may be millions.
    """

    points: tuple[Point, ...]
    seeds: Sequence[int]
    indices: range

    @classmethod
    def every(cls, points: Iterable[Point], seeds: Sequence[int]) -> "Lanes":
        points = tuple(points)
        return cls(points, seeds, range(len(points) * len(seeds)))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return dataclasses.replace(self, indices=self.indices[k])
        point, seed = divmod(self.indices[k], len(self.seeds))
        return self.points[point], self.seeds[seed]

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """The numbers of inputs of these lanes, sorted."""
        first, last = (self.indices[k] // len(self.seeds) for k in (0, -1))
        points = self.points[first : last + 1]
        return tuple(sorted({point.input_size for point in points}))


@dataclasses.dataclass(frozen=True)
class Ids(Sequence[RowId]):
    """The identity of each lane's row, in the order of `schema.ROW_ID`."""

    part: "Part"

    def __len__(self) -> int:
        return len(self.part.seeded)

    def __getitem__(self, k: Any) -> Any:
        return self.part.id(*self.part.seeded[k])


@dataclasses.dataclass(frozen=True)
class Part:
    """Lanes of one cell, depth and number of units. It is a `runner.Part`.

    `make` makes the experiment of lanes that stand at these points.
    """

    config: Config
    network: Network
    weights: str
    seeded: Lanes
    make: Callable[[tuple[Point, ...]], Stability] = dataclasses.field(compare=False)

    @property
    def name(self) -> str:
        cell, layers, hidden_size = self.network
        return f"{title(cell, layers, self.weights)}, {hidden_size} units"

    @property
    def programs(self) -> dict[Any, float]:
        sizes = self.seeded.input_sizes
        by_size = COMPILE_SECONDS_OF_SIZE * len(sizes)
        return {
            ("draw", sizes): by_size,
            ("init", *self.network, sizes): by_size,
            ("advance", *self.network, sizes): COMPILE_SECONDS,
        }

    @property
    def compile_cost(self) -> float:
        by_size = COMPILE_SECONDS_OF_SIZE * len(self.seeded.input_sizes)
        return COMPILE_SECONDS + by_size

    @property
    def ids(self) -> Ids:
        """The identity of each lane's row."""
        return Ids(self)

    def id(self, point: Point, seed: int) -> RowId:
        cell, layers, hidden_size = self.network
        numbers = {"input_scale": point.input_scale, **point.options}
        shape = (cell, self.weights, point.input_size, hidden_size, layers)
        return (*shape, *(numbers.get(name) for name in NUMBERS), seed)

    def lanes(self, known: Mapping[RowId, Row]) -> int:
        if not known:
            return len(self.seeded)
        return sum(row_id not in known for row_id in self.ids)

    def cost(self, known: Mapping[RowId, Row]) -> float:
        missing = self.lanes(known)
        return self._seconds(missing) if missing else 0.0

    def run(self, runner: Runner) -> None:
        runner.rows(self.ids, self.groups)

    def groups(self, missing: Sequence[int]) -> Iterator[Group]:
        """The lanes with these indices, as many at once as fit `GROUP_NUMBERS`."""
        widest = self.seeded.input_sizes[-1]
        cell = self.make((self.seeded[0][0],)).cell
        size = networks.parameter_count(cell, widest) + CHUNK * widest
        for lanes in self._alike(cell, missing):
            count = -(-len(lanes) // max(1, GROUP_NUMBERS // size))
            for first, end in itertools.pairwise(_edges(len(lanes), count)):
                yield self._group([self.seeded[k] for k in lanes[first:end]], size)

    def _alike(self, cell: nn.Module, lanes: Sequence[int]) -> Iterator[Sequence[int]]:
        """Lanes that one program can advance: all, unless a step reads inputs itself.

        Then only those of one number of inputs are alike. No cell of ours does; to find
        that out takes as long as all else that is done before a run.
        """
        if self.network[0] in registry.CELLS or not cell_lib.reads_inputs(cell):
            yield lanes
            return

        def inputs(lane: int) -> int:
            return self.seeded[lane][0].input_size

        for _, same in itertools.groupby(sorted(lanes, key=inputs), inputs):
            yield list(same)

    def _group(self, seeded: Sequence[tuple[Point, int]], size: int) -> Group:
        """A group whose name depends on its lanes: a run may be extended by others."""
        cell, layers, hidden_size = self.network
        label = registry.file_name(cell)
        label += "" if self.weights == FRESH else f"-{self.weights}"
        ids = repr([self.id(*lane) for lane in seeded])
        digest = hashlib.sha256(ids.encode()).hexdigest()[:8]
        lanes = f"{len(seeded)}-lanes-{digest}"
        points, seeds = zip(*seeded)
        return Group(
            name=f"{label}-h{hidden_size}-l{layers}-{lanes}",
            experiment=self.make(points),
            seeds=seeds,
            cost=self._seconds(len(seeded)),
            numbers=size,
        )

    def _seconds(self, lanes: int) -> float:
        """About how long so many lanes take."""
        chunks, hidden_size = self.config.steps / CHUNK, self.network[2]
        if not self.config.full and hidden_size <= FEW_UNITS:
            chunks = min(chunks, FEW_CHUNKS)
        by_units = CHUNK_SECONDS_AT_128_UNITS * (hidden_size / 128) ** 2
        if hidden_size >= UNITS_OUT_OF_CACHE:
            by_units *= OUT_OF_CACHE
        start = START_SECONDS_AT_1024_UNITS * (hidden_size / 1024) ** 3
        a_lane = start + chunks * (CHUNK_SECONDS + by_units)
        return self.compile_cost + lanes * a_lane


def parts(config: Config, processes: int = 1) -> list[Part]:
    """Every number of units of a run, cut for so many processes.

    Each process gets a piece of every number of units, as most of the time is spent on
    the largest.
    """
    whole = _trained_parts(config) if config.network else _fresh_parts(config)
    return [piece for part in whole for piece in _cut(part, processes)]


def _cut(part: Part, processes: int) -> Iterator[Part]:
    count = min(processes, len(part.seeded))
    for first, end in itertools.pairwise(_edges(len(part.seeded), count)):
        yield dataclasses.replace(part, seeded=part.seeded[first:end])


def _edges(length: int, count: int) -> Iterator[int]:
    """Where so many pieces of almost equal length begin, the longer first; the end."""
    short, longer = divmod(length, count)
    return (k * short + min(k, longer) for k in range(count + 1))


def _fresh_parts(config: Config) -> Iterator[Part]:
    """Networks with random weights."""
    for (cell, layers, hidden_size), input_sizes in _networks(config).items():
        points = _points(config, cell, input_sizes)
        make = functools.partial(_experiment, config, cell, layers, hidden_size)
        seeded = Lanes.every(points, config.seed_list)
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
    """The most units within the budget.

    Raises `SettingError` if one is too many, or none is.
    """
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
        if needed <= config.budget:
            problem = f"{what} has {needed} parameters, however many units it has"
            allowed = "--hidden_sizes instead"
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
        seeded = Lanes.every([Point(task.input_size)], tuple(loaded))
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
