"""A run like another that takes a second or two, for estimates of time."""

import dataclasses

from rnnjax.capacity import points
from rnnjax.capacity.config import Config
from rnnjax.capacity.study import cost
from rnnjax.settings import Range, SettingError

MAX_BUDGET, MAX_UNITS = 1000, 64
MAX_UPDATES, MAX_COST = 2500, 2e9  # the latter in the unit of `study.cost`


def trial(config: Config, lanes: int) -> Config:
    """One small network, trained `lanes` times with few updates on few samples."""
    small = dataclasses.replace(
        config,
        cells=(config.cells[len(config.cells) // 2],),
        recurrent_inits=config.recurrent_inits[:1],
        layers=config.layers[:1],
        steps=config.steps[:1],
        hidden_sizes=tuple(min(n, MAX_UNITS) for n in config.hidden_sizes[-1:]),
        optimizers=config.optimizers[:1],
        searches=1,
    )
    for budget in (MAX_BUDGET, *config.budgets[:1]):
        budgets = tuple(min(budget, n) for n in config.budgets[-1:])
        try:
            (point,) = points.points(dataclasses.replace(small, budgets=budgets))
            break
        except SettingError:  # no unit fits
            continue
    task, space = point.task, dict(config.space)
    if "samples" in point.space:
        fewest = point.space["samples"].low
        space["samples"] = Range(fewest, fewest)
        task = task.with_padding(round(fewest))
    one = cost(task, point.labels["parameters"], lanes)
    updates = min(max(1, int(MAX_COST / one)), MAX_UPDATES, config.plan.updates)
    plan = dataclasses.replace(
        config.plan, trials=lanes, rungs=1, updates=updates, finalists=1
    )
    return dataclasses.replace(small, budgets=budgets, space=space, plan=plan)
