"""A run like another that takes a second or two, for estimates of time."""

import dataclasses

from rnnjax.memory_stability.config import Config
from rnnjax.memory_stability.parts import parts

MAX_UNITS = 128


def trial(config: Config, lanes: int) -> Config:
    """One network of few units and one input size, `lanes` seeds of it.

    Trained networks are measured as they are.
    """
    if config.network:
        return config
    units = max(part.network[2] for part in parts(config))
    return dataclasses.replace(
        config,
        cell=(config.cells[len(config.cells) // 2],),
        hidden_sizes=(min(units, MAX_UNITS),),
        budget=None,
        input_sizes=config.input_sizes[:1],
        layers=config.layers[:1],
        seeds=lanes,
        full=True,
    )
