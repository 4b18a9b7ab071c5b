"""The parts of a run that trains networks to recall: the seeds of one network each."""

import functools
import itertools
from collections.abc import Iterator

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine.grid import GridPart
from rnnjax.engine.runner import split_seeds
from rnnjax.short_term_memory import recall, summary
from rnnjax.short_term_memory.config import Config
from rnnjax.short_term_memory.schema import NUMBERS, RECALL, TRAINED
from rnnjax.tasks.recall import Recall as Task
from rnnjax.training import method, training

# What a step costs beside its products with weights, in parameters of the same cost.
STEP_COST = 100


def parts(config: Config, task: Task, processes: int = 1) -> Iterator[GridPart]:
    """Every cell, depth and number of units with its seeds."""
    shapes = list(
        itertools.product(config.cells, config.layers, config.hidden_sizes or ())
    )
    for cell, layers, units in shapes:
        network = networks.Network(
            networks.build(registry.find(cell, config.own), units, layers),
            outputs=task.outputs,
        )
        parameters = networks.parameter_count(network, task.input_size)
        an_update = task.batch * task.length * (parameters + STEP_COST)
        tested = recall.TEST_SAMPLES * max(config.test_lengths or (1,))
        for seeds in split_seeds(config.seed_list, len(shapes), processes):
            yield GridPart(
                name=summary.title((cell, TRAINED, layers, units)),
                shape=(cell, TRAINED, task.input_size, units, layers)
                + (None,) * len(NUMBERS),
                seeds=seeds,
                make=functools.partial(_experiment, config, task, network, cell),
                group_cost=functools.partial(_cost, an_update * (config.updates or 1)),
                programs={("train", cell, layers, units): 1.0},
                numbers=parameters + max(task.batch * task.length, tested) * units,
            )


def _cost(of_a_lane: float, lanes: int) -> float:
    return of_a_lane * lanes


def _experiment(
    config: Config, task: Task, network: networks.Network, cell: str
) -> recall.Recall:
    assert config.updates and config.learning_rate and config.decay is not None
    values = method.Hyperparameters(
        learning_rate=config.learning_rate, decay=config.decay
    )
    labels = {
        "benchmark": "short_term_memory",
        "measure": RECALL,
        "cell": cell,
        "weights": TRAINED,
        **dict.fromkeys(NUMBERS),
        "learning_rate": config.learning_rate,
    }
    trained = training.Training(
        network, task, config.updates, (values,), gains=(), labels=labels
    )
    return recall.Recall(trained, config.test_pairs or (), config.test_lengths or ())
