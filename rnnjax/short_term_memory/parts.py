"""The parts of a run: the seeds of one network at one point of the grid each."""

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

from flax import linen as nn

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine.grid import GridPart
from rnnjax.engine.runner import split_seeds
from rnnjax.settings import SettingError
from rnnjax.short_term_memory import linear, processing, sparse
from rnnjax.short_term_memory.config import DELAYS_A_UNIT, WASHOUT, Config
from rnnjax.short_term_memory.experiment import Driven, Measure
from rnnjax.short_term_memory.schema import FRESH, LINEAR, NUMBERS, PROCESSING, SPARSE

Shape = tuple[str, int, int, dict[str, float | None]]  # cell, layers, units, numbers
# Inputs, states and outputs of the lanes of a group: 256 MB of float32.
GROUP_NUMBERS = 2**26


def parts(config: Config, processes: int = 1) -> list[GridPart]:
    """Every point of a run with its seeds, cut for so many processes."""
    shapes = list(_shapes(config))
    return [part for shape in shapes for part in _of(config, shape, processes, shapes)]


def _shapes(config: Config) -> Iterator[Shape]:
    for cell, layers, units in itertools.product(
        config.cells, config.layers, config.hidden_sizes or ()
    ):
        for values in itertools.product(*config.numbers(cell).values()):
            yield cell, layers, units, dict(zip(NUMBERS, values))


def _of(
    config: Config, shape: Shape, processes: int, shapes: list[Shape]
) -> Iterator[GridPart]:
    cell, layers, units, values = shape
    module = _module(config, cell, layers, units)
    made = _experiment(config, shape, module)  # checks that there are steps enough
    numbers = made.steps * (networks.state_size(module) + units + made.input_size)
    pieces = math.ceil(len(config.seed_list) * numbers / GROUP_NUMBERS)
    several = [name for name, some in config.numbers(cell).items() if len(some) > 1]
    words = [f"{name.replace('_', ' ')} {values[name]:g}" for name in several]
    for seeds in split_seeds(
        config.seed_list, 1, max(pieces, processes // len(shapes))
    ):
        stacked = f" of {layers} layers" if layers > 1 else ""
        yield GridPart(
            name=", ".join([f"{cell}{stacked}, {units} units", *words]),
            shape=(cell, FRESH, made.input_size, units, layers, *values.values()),
            seeds=seeds,
            make=functools.partial(_experiment, config, shape, module),
            group_cost=functools.partial(_seconds, config, module),
            programs={("trajectory", cell, layers, units): 1.0},
            numbers=numbers,
        )


def _module(config: Config, cell: str, layers: int, units: int) -> nn.Module:
    return networks.build(registry.find(cell, config.own), units, layers)


def _experiment(config: Config, shape: Shape, module: nn.Module) -> Driven:
    cell, _, units, values = shape
    steps, measure = _measure(config, module, cell, units)
    options = {
        name: x for name, x in values.items() if x is not None and name != NUMBERS[0]
    }
    return Driven(
        module,
        steps,
        measure,
        scale=values["input_scale"] or 1.0,
        distribution=config.inputs or "uniform",
        impulse=config.washout if config.measure == SPARSE else None,
        options=options,
        dtype=config.dtype or "float32",
        labels={
            "benchmark": "short_term_memory",
            "measure": config.measure,
            "cell": cell,
            "weights": FRESH,
            **values,
            **_counts(config, units),
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


def _measure(
    config: Config, module: nn.Module, cell: str, units: int
) -> tuple[int, Measure]:
    """The steps of a run, and what makes its row.

    Raises `SettingError` if there are fewer steps than columns of a read-out.
    """
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
    columns = networks.state_size(module)
    if counts["steps"] <= columns:
        problem = f"a read-out of {cell} with {units} units has {columns} columns"
        raise SettingError("steps", counts["steps"], problem, f"more than {columns}")
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
