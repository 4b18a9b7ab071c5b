"""The parts of a run: one shape with its seeds each."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flax import linen as nn

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine.grid import GridPart
from rnnjax.engine.runner import split_seeds
from rnnjax.memory_stability import trained
from rnnjax.memory_stability.config import SIZES, Config
from rnnjax.memory_stability.experiment import Stability
from rnnjax.memory_stability.pair import CHUNK
from rnnjax.memory_stability.schema import FRESH, TRAINED
from rnnjax.memory_stability.summary import title
from rnnjax.settings import SettingError
from rnnjax.tasks.task import Task

Shape = tuple[str, int, int, int]  # cell, layers, units, input size

# A guess of seconds, for progress: compiling a shape; a chunk of one lane, a part of it
# that does not depend on the units and one that grows with their square; pairs of few
# units merge within a few chunks.
COMPILE_SECONDS = 0.5
CHUNK_SECONDS, CHUNK_SECONDS_AT_128_UNITS = 3e-4, 2.5e-3
FEW_UNITS, FEW_CHUNKS = 32, 8


def parts(config: Config, processes: int = 1) -> list[GridPart]:
    """Every shape of a run with its seeds, cut for so many processes.

    Shapes that share a recurrence follow one another.
    """
    if config.network:
        return list(_trained_parts(config))
    shapes = list(_shapes(config))
    return [
        _part(
            config, shape, FRESH, seeds, functools.partial(_experiment, config, *shape)
        )
        for shape in shapes
        for seeds in split_seeds(config.seed_list, len(shapes), processes)
    ]


def _part(
    config: Config,
    shape: Shape,
    weights: str,
    seeds: tuple[int, ...],
    make: Callable[[], Stability],
) -> GridPart:
    cell, layers, hidden_size, input_size = shape
    network = (cell, layers, hidden_size)
    by_inputs = {(kind, *network, input_size) for kind in ("weights", "project")}
    by_network = {(kind, *network) for kind in ("init", "advance")}
    programs = {("keys",), ("draw", input_size)} | by_inputs | by_network
    label = cell if weights == FRESH else f"{cell}-{weights}"
    series = title(cell, layers, weights)
    return GridPart(
        name=f"{series}, {hidden_size} units, {input_size} inputs",
        shape=(cell, weights, input_size, hidden_size, layers),
        seeds=seeds,
        make=make,
        group_cost=functools.partial(_seconds, config, hidden_size),
        programs=frozenset(programs),
        file_name=f"{label}-i{input_size}-h{hidden_size}-l{layers}",
    )


def _seconds(config: Config, hidden_size: int, seeds: int) -> float:
    """About how long so many seeds take."""
    chunks = config.steps / CHUNK
    if not config.full and hidden_size <= FEW_UNITS:
        chunks = min(chunks, FEW_CHUNKS)
    by_units = CHUNK_SECONDS_AT_128_UNITS * (hidden_size / 128) ** 2
    return COMPILE_SECONDS + seeds * chunks * (CHUNK_SECONDS + by_units)


def _shapes(config: Config) -> Iterator[Shape]:
    """Every shape of the grid."""
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


def _trained_parts(config: Config) -> Iterator[GridPart]:
    """For each shape, the trained networks, and random ones on the same inputs."""
    for module, task, same in trained.shapes(config.networks):
        cell, hidden_size, layers = same[0].shape
        shape = (cell, layers, hidden_size, task.input_size)
        # Loaded here, so that damaged weights end a run before anything is written.
        loaded = {network.seed: network.load() for network in same}
        for weights, values in ((TRAINED, loaded), (FRESH, None)):
            labels = {"cell": cell, "weights": weights}
            make = functools.partial(
                _trained_experiment, config, module, task, values, labels
            )
            yield _part(config, shape, weights, tuple(loaded), make)


def _trained_experiment(
    config: Config,
    module: nn.Module,
    task: Task,
    weights: dict[int, Any] | None,
    labels: dict[str, str],
) -> Stability:
    """The experiment on the task's inputs, with weights by seed or with random ones."""
    return Stability(
        module,
        task.input_size,
        weights=weights,
        inputs=task.probe_inputs,
        labels={"benchmark": "memory_stability", **labels},
        **config.measurement,
    )
