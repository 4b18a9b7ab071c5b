"""A run like another that takes a second or two, for estimates of time."""

import dataclasses

from rnnjax.cells import registry
from rnnjax.optimization.config import Config
from rnnjax.optimization.schema import FAIR

MAX_UPDATES = 40
MAX_CURVATURE_UPDATES = 1


def trial(config: Config, lanes: int) -> Config:
    """One of the methods with a few updates."""
    optimizers = config.optimizer or ()
    cell = config.cells[len(config.cells) // 2]
    has = "activation" in registry.options(cell)
    lengths = config.lengths[len(config.lengths) // 2 :][:1] if config.lengths else None
    return dataclasses.replace(
        config,
        protocol=FAIR,
        task=(config.task or ())[:1],
        lengths=lengths,
        cell=(cell,),
        activation=config.activation[:1] if config.activation and has else None,
        initializer=(config.initializer or ())[:1],
        optimizer=optimizers[:1],
        hidden_sizes=config.hidden_sizes[-1:],
        trials=0,
        rates=None,
        updates=min(MAX_UPDATES, config.updates or MAX_UPDATES),
        curvature_updates=MAX_CURVATURE_UPDATES,
        seeds=lanes,
    )
