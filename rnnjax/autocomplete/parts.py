"""The parts of a run: the networks of one shape, for some or all of the seeds."""

import functools

from rnnjax import networks
from rnnjax.autocomplete import model
from rnnjax.autocomplete.config import Config
from rnnjax.autocomplete.experiment import NUM_EVALS, Autocomplete
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
    kinds += ["regret"] if config.dataset.source else []
    network = config.network(shape)
    states = config.batch * config.dataset.windows.width * hidden_size * layers
    return GridPart(
        name=f"{cell}, {layers} x {hidden_size} units",
        shape=(cell, model.LETTERS, hidden_size, layers),
        seeds=seeds,
        make=functools.partial(make_experiment, config, shape),
        group_cost=functools.partial(_cost, network, _windows(config)),
        programs={(kind, shape): 1.0 for kind in kinds},
        numbers=networks.parameter_count(network) + states,
        file_name=f"{registry.file_name(cell)}-h{hidden_size}-l{layers}",
    )


def _windows(config: Config) -> float:
    """The windows that a lane trains on; one that is evaluated is a third of one."""
    split, most = config.dataset.split, config.max_eval_windows
    validated = NUM_EVALS * len(split.validation[:most])
    evaluated = validated + len(split.test[:most])
    return config.batch * config.updates + evaluated / 3


def _cost(network: networks.Network, windows: float, lanes: int) -> float:
    """The time of a window grows with the number of parameters."""
    return networks.parameter_count(network) * windows * lanes


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
            **config.source,
        },
    )
