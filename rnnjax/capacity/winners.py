"""The setting that each search chose, as flags that train it again."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from rnnjax import settings
from rnnjax.capacity import points, search
from rnnjax.capacity import summary as summary_lib
from rnnjax.capacity.config import Config
from rnnjax.capacity.points import Point
from rnnjax.results.schema import Row
from rnnjax.settings import Range


def winners(config: Config, rows: Sequence[Row]) -> Iterator[tuple[str, dict]]:
    """A name and the flags of each search that has reached its fresh draws.

    With these flags `benchmarks.capacity` makes a search of this one candidate, and
    trains it on the fresh draws of search 0: what that search gave comes out again.
    """
    for _, _, trials in summary_lib.points(rows):
        for draws, _ in summary_lib.results(trials):
            one = _at(config, draws[0])
            (point,) = points.points(one)
            index = draws[0]["search"]
            yield f"{point.file_name}-search{index}", _flags(one, point, draws)


def _at(config: Config, row: Row) -> Config:
    """The config of a run of the row's point alone."""
    by_units = bool(config.hidden_sizes)
    return dataclasses.replace(
        config,
        cells=(row["cell"],),
        recurrent_inits=(row["recurrent_init"],),
        layers=(row["layers"],),
        steps=() if row["steps"] is None else (row["steps"],),
        budgets=() if by_units else (row["budget"],),
        hidden_sizes=(row["hidden_size"],) if by_units else (),
    )


def _flags(config: Config, point: Point, draws: Sequence[Row]) -> dict[str, Any]:
    row, plan = draws[0], config.plan
    chosen = search.candidate(
        point.space,
        config.optimizers,
        plan,
        number=row["trial"],
        move=row["move"],
        index=row["search"],
    )
    size = "hidden_sizes" if config.hidden_sizes else "budgets"
    own = {
        field.name: getattr(point.task, field.name)
        for field in settings.fields(type(point.task))
    }
    flags = {"task": config.task_name} | own | {"cell": config.cells}
    flags |= {size: getattr(config, size), "layers": config.layers}
    flags |= {"recurrent_init": row["recurrent_init"]} if _named(row) else {}
    flags |= {"learn_carry": True} if config.learn_carry else {}
    about = config.own_cells.get(row["cell"], {})
    flags |= {name: value for name, value in config.own.items() if name in about}
    flags |= {"optimizer": chosen.optimizer}
    flags |= {name: Range(x, x) for name, x in chosen.hyperparameters.items()}
    flags |= {"trials": 1, "rungs": 1, "finalists": 1, "max_moves": 0}
    flags |= {"updates": plan.updates, "seeds": len(draws)}
    flags |= {"first_seed": min(plan.result_seeds)}
    return {name: value for name, value in flags.items() if value is not None}


def _named(row: Row) -> bool:
    return row["recurrent_init"] != points.OWN
