"""The parts of a run: the seeds of one network at one point of the grid each."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from flax import linen as nn

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine.grid import GridPart
from rnnjax.engine.runner import split_seeds
from rnnjax.results.rows import rounded
from rnnjax.settings import SettingError
from rnnjax.short_term_memory import (
    linear,
    processing,
    readout,
    recall_parts,
    sparse,
    summary,
)
from rnnjax.short_term_memory.config import Config
from rnnjax.short_term_memory.defaults import DELAYS_A_UNIT, WASHOUT
from rnnjax.short_term_memory.experiment import Driven, Measure
from rnnjax.short_term_memory.schema import (
    FRESH,
    LINEAR,
    NUMBERS,
    PROCESSING,
    SPARSE,
    TRAINED,
)
from rnnjax.training import trained

# Inputs, states and outputs of the lanes of a group: 256 MB of float32.
GROUP_NUMBERS = 2**26


@dataclasses.dataclass(frozen=True)
class Point:
    """Networks with one set of options: a point of the grid, of which each seed is a
    lane.

    `weights` are the variables of the trained network of each seed.
    """

    cell: str
    module: nn.Module
    numbers: Mapping[str, float | None]
    seeds: tuple[int, ...]
    input_size: int = 1
    label: str = FRESH
    weights: Mapping[int, Any] | None = None

    @property
    def shape(self) -> tuple[Any, ...]:
        layers, units = networks.layer_count(self.module), self.module.hidden_size
        sizes = (self.input_size, units, layers)
        return (self.cell, self.label, *sizes, *self.numbers.values())


def parts(config: Config, processes: int = 1) -> list[GridPart]:
    """Every point of a run with its seeds, cut for so many processes."""
    if config.task:
        return list(recall_parts.parts(config, config.task, processes))
    points = list(_trained(config) if config.network else _fresh(config))
    share = math.ceil(processes / len(points))
    return [part for point in points for part in _of(config, point, share)]


def _fresh(config: Config) -> Iterator[Point]:
    """Networks with random weights."""
    for cell, layers, units in itertools.product(
        config.cells, config.layers, config.hidden_sizes or ()
    ):
        module = networks.build(registry.find(cell, config.own), units, layers)
        for values in itertools.product(*config.numbers(cell).values()):
            numbers = dict(zip(NUMBERS, values))
            yield Point(cell, module, numbers, config.seed_list)


def _trained(config: Config) -> Iterator[Point]:
    """Trained networks, and random ones on as many inputs."""
    for module, task, same in trained.shapes(config.networks):
        loaded = {network.seed: network.load() for network in same}
        for scale in config.input_scale or ():
            numbers = dict.fromkeys(NUMBERS) | {NUMBERS[0]: rounded(float(scale))}
            seeds = tuple(loaded)
            cell, size = same[0].cell, task.input_size
            yield Point(cell, module, numbers, seeds, size, TRAINED, loaded)
            yield Point(cell, module, numbers, seeds, size)


def _of(config: Config, point: Point, processes: int) -> Iterator[GridPart]:
    module = point.module
    made = _experiment(config, point)  # checks that there are steps enough
    size = networks.state_size(module) + module.hidden_size + point.input_size
    pieces = math.ceil(len(point.seeds) * made.steps * size / GROUP_NUMBERS)
    one = (point.cell, point.label, networks.layer_count(module), module.hidden_size)
    words = [summary.title(one)]
    words += [
        f"{name.replace('_', ' ')} {x:g}"
        for name, x in point.numbers.items()
        if x is not None and len(config.axes.get(name, ())) > 1
    ]
    for seeds in split_seeds(point.seeds, 1, max(pieces, processes)):
        yield GridPart(
            name=", ".join(words),
            shape=point.shape,
            seeds=seeds,
            make=functools.partial(_experiment, config, point),
            group_cost=functools.partial(_seconds, config, module),
            programs={("trajectory", *one): 1.0},
            numbers=made.steps * size,
        )


def _experiment(config: Config, point: Point) -> Driven:
    steps, measure = _measure(config, point)
    scale, *others = point.numbers.items()
    return Driven(
        point.module,
        steps,
        measure,
        input_size=point.input_size,
        scale=scale[1] or 1.0,
        distribution=config.inputs or "uniform",
        impulse=config.washout if config.measure == SPARSE else None,
        options={name: x for name, x in others if x is not None},
        dtype=config.dtype or "float32",
        weights=point.weights,
        labels={
            "benchmark": "short_term_memory",
            "measure": config.measure,
            "cell": point.cell,
            "weights": point.label,
            **point.numbers,
            **_counts(config, point.module.hidden_size),
        },
    )


def _counts(config: Config, units: int) -> dict[str, Any]:
    """The settings that rows have, with what depends on the units."""
    if config.measure == SPARSE:
        return {"washout": config.washout, "trials": config.trials}
    delays = config.delays
    if delays is None:
        delays = DELAYS_A_UNIT * units
        if config.washout is not None:
            delays = min(delays, config.washout)
    return {
        "washout": config.washout or max(WASHOUT, delays),
        "steps": config.steps,
        "test_steps": config.test_steps,
        "inputs": config.inputs,
        "delays": delays,
    }


def _measure(config: Config, point: Point) -> tuple[int, Measure]:
    """The steps of a run, and what makes its row.

    Raises `SettingError` if there are fewer steps than columns of a read-out.
    """
    units = point.module.hidden_size
    counts = _counts(config, units)
    if config.measure == SPARSE:
        assert config.washout and config.longest and config.trials
        measure = functools.partial(
            sparse.measure,
            impulse=config.washout,
            sparsities=config.sparsities or (),
            longest=config.longest,
            trials=config.trials,
        )
        return config.washout + config.longest, measure
    columns = networks.state_size(point.module)
    fewest = readout.fewest_steps(columns)
    if counts["steps"] < fewest:
        problem = f"a read-out of {point.cell} with {units} units has {columns} columns"
        raise SettingError("steps", counts["steps"], problem, f"{fewest} or more")
    fitted = {
        "washout": counts["washout"],
        "steps": counts["steps"],
        "ridge": config.ridge,
    }
    total = counts["washout"] + counts["steps"] + counts["test_steps"]
    if config.measure == LINEAR:
        delays = counts["delays"]
        return total, functools.partial(linear.measure, delays=delays, **fitted)
    assert config.measure == PROCESSING and config.degree
    return total, functools.partial(
        processing.measure,
        degree=config.degree,
        delay=counts["delays"],
        distribution=counts["inputs"],
        **fitted,
    )


def _seconds(config: Config, module: nn.Module, lanes: int) -> float:
    """A guess of how long so many lanes take, for progress.

    Beside a loop over time, whose step costs some microseconds, it is products of
    states with targets, which a core computes at 10 to 20 GFLOP/s; and small linear
    programs.
    """
    units, columns = module.hidden_size, networks.state_size(module)
    counts = _counts(config, units)
    if config.measure == SPARSE:
        tried = len(config.sparsities or ()) * (config.trials or 1) * 10
        return lanes * tried * 2e-6 * columns * (config.longest or 1) / 2
    steps = counts["steps"] + counts["test_steps"]
    targets = counts["delays"] + 1
    if config.measure == PROCESSING:
        targets = processing.count(config.degree or 1, counts["delays"]) / 10
    return lanes * steps * (2e-6 + 1.5e-9 * columns * (targets + columns) / 8)
