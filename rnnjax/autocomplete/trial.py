"""A run like another that takes a second or two, for estimates of time."""

import dataclasses

from rnnjax.autocomplete.config import Config

MAX_UNITS, MAX_BATCH, UPDATES = 64, 8, 2


def trial(config: Config, lanes: int) -> Config:
    """A few updates of `lanes` small networks with small batches."""
    batch = min(config.batch, MAX_BATCH)
    return dataclasses.replace(
        config,
        cells=(config.cells[len(config.cells) // 2],),
        hidden_sizes=(min(MAX_UNITS, *config.hidden_sizes),),
        layers=config.layers and config.layers[:1],
        seeds=tuple(range(lanes)),
        updates=UPDATES,
        batch=batch,
        max_eval_windows=batch,
        connectivity_windows=0,
    )
