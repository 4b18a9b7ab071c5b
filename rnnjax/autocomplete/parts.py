"""The parts of a run: the networks of one shape, for some or all of the seeds."""

import functools

from rnnjax import networks
from rnnjax.autocomplete import model
from rnnjax.autocomplete.config import Config
from rnnjax.autocomplete.experiment import Autocomplete
from rnnjax.autocomplete.summary import Shape
from rnnjax.cells import registry
from rnnjax.engine.grid import GridPart
from rnnjax.engine.runner import split_seeds


def parts(config: Config, processes: int = 1) -> list[GridPart]:
    """Every shape of a run with its seeds, cut for so many processes."""
    shapes = config.shapes
    return [
        _part(config, shape, seeds)
        for shape in shapes
        for seeds in split_seeds(config.seeds, len(shapes), processes)
    ]


def _part(config: Config, shape: Shape, seeds: tuple[int, ...]) -> GridPart:
    cell, layers, hidden_size = shape
    kinds = ["init", "train", "evaluate"]
    kinds += ["connectivity"] if config.connectivity_windows else []
    return GridPart(
        name=f"{cell}, {layers} x {hidden_size} units",
        shape=(cell, model.LETTERS, hidden_size, layers),
        seeds=seeds,
        make=functools.partial(make_experiment, config, shape),
        group_cost=functools.partial(_cost, config.network(shape)),
        programs=frozenset((kind, shape) for kind in kinds),
        file_name=f"{registry.file_name(cell)}-h{hidden_size}-l{layers}",
    )


def _cost(network: networks.Network, lanes: int) -> float:
    """The time of an update grows with the number of parameters."""
    return float(_parameter_count(network) * lanes)


_parameter_count = functools.cache(networks.parameter_count)


def make_experiment(config: Config, shape: Shape) -> Autocomplete:
    """The experiment for the networks of one shape."""
    return Autocomplete(
        config.network(shape),
        config.dataset,
        config.updates,
        batch=config.batch,
        learning_rate=config.learning_rate,
        optimizer=config.optimizer,
        max_eval_windows=config.max_eval_windows,
        connectivity_windows=config.connectivity_windows,
        labels={
            "benchmark": "autocomplete",
            "cell": shape.cell,
            "text": config.text,
            "unigram_entropy": config.dataset.unigram_entropy,
        },
    )
