"""A run as data: what is trained, over what, and how much is tried."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from rnnjax import settings
from rnnjax.capacity import options, presets
from rnnjax.capacity.schema import OWN
from rnnjax.capacity.search import MIN_SAMPLES, SEEDS_PER_ROUND, Plan
from rnnjax.cells import registry
from rnnjax.settings import Range, SettingError
from rnnjax.tasks.registry import TASKS
from rnnjax.tasks.task import Task

SIZES = ("budgets", "hidden_sizes")


@dataclasses.dataclass(frozen=True)
class Config:
    """A run, made from options by `configure`.

    The networks are all combinations of `cells`, `recurrent_inits`, `layers`, `steps`,
    and `budgets` or `hidden_sizes`, one of which is empty.

    Attributes:
      task_name: name of the task.
      task: the task; `steps` takes the place of its own steps.
      cells: names of cells.
      recurrent_inits: names of initializers of the recurrent weights, or "own".
      layers: numbers of layers.
      steps: steps of a sample; empty if the task has no such option.
      budgets: numbers of parameters.
      hidden_sizes: numbers of units.
      optimizers: names of optimizers, which are searched over.
      space: the range that each hyperparameter is searched over. Without `samples`, a
        task that searches over them gives the range for each budget.
      plan: how much each search tries.
      searches: number of searches at each point.
      learn_carry: whether initial states are learned.
      own: the options of a user's cells; see `registry.own_options`.
    """

    task_name: str
    task: Task
    cells: tuple[str, ...]
    recurrent_inits: tuple[str, ...]
    layers: tuple[int, ...]
    steps: tuple[int, ...]
    budgets: tuple[int, ...]
    hidden_sizes: tuple[int, ...]
    optimizers: tuple[str, ...]
    space: Mapping[str, Range]
    plan: Plan
    searches: int = 1
    learn_carry: bool = False
    own: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the run folder: the task and the cells."""
        return f"{self.task_name}/{'+'.join(map(registry.file_name, self.cells))}"

    @property
    def own_cells(self) -> dict[str, dict[str, Any]]:
        return registry.describe_own(self.cells, self.own)

    @property
    def settings(self) -> dict[str, Any]:
        """One value each; a run folder holds one of each."""
        task_settings = self.task.description()
        task_settings.pop("steps", None)
        plan = dataclasses.asdict(self.plan)
        del plan["result_seeds"]
        return {
            "task": self.task_name,
            "task_settings": task_settings,
            "learn_carry": self.learn_carry,
            "optimizers": list(self.optimizers),
            "ranges": {name: [r.low, r.high] for name, r in self.space.items()},
            **plan,
        }

    @property
    def axes(self) -> dict[str, Sequence[Any]]:
        """What the run is made over; a later run may extend these."""
        return {
            "cells": self.cells,
            "recurrent_inits": self.recurrent_inits,
            "layers": self.layers,
            "steps": self.steps,
            "budgets": self.budgets,
            "hidden_sizes": self.hidden_sizes,
            "searches": range(self.searches),
            "seeds": self.plan.result_seeds,
        }


def configure(given: Mapping[str, Any]) -> Config:
    """The config of a run.

    `given` are values of options by name (see `options.SearchOptions` and the settings
    of the task), with `smoke=True` for the smallest run:

        configure({"task": "units", "cell": ("gru",), "hidden_sizes": (4, 8)})

    Options that are not given have the value of the preset.

    Raises `SettingError` for a value or a combination that is not allowed.
    """
    given = {name: value for name, value in given.items() if value is not None}
    smoke, own = given.pop("smoke", False), given.pop("own", {})
    base = options.Options(**given)
    _check_combinations(given, base.task, base.cell, smoke)
    preset = presets.SMOKE if smoke else base.preset
    values = {**presets.values(preset, base.task), **given}
    for size, other in (SIZES, SIZES[::-1]):
        if size not in given and other in given:
            values.pop(size, None)
    task = _task(base.task, values)
    return Config(
        task_name=base.task,
        task=task,
        cells=base.cell,
        recurrent_inits=base.recurrent_init or (OWN,),
        layers=base.layers,
        steps=_steps(task, values),
        budgets=values.get("budgets", ()),
        hidden_sizes=values.get("hidden_sizes", ()),
        optimizers=base.optimizer,
        space=_space(base.task, task, given),
        plan=Plan(
            trials=values["trials"],
            rungs=values["rungs"],
            factor=base.factor,
            updates=values["updates"],
            result_seeds=_result_seeds(base.first_seed, values["seeds"]),
            finalists=values["finalists"],
            selection_seeds=values["selection_seeds"],
            max_moves=base.max_moves,
        ),
        searches=base.searches,
        learn_carry=bool(values.get("learn_carry")),
        own=own,
    )


def _check_combinations(
    given: Mapping[str, Any], task: str, cells: tuple[str, ...], smoke: bool
) -> None:
    """Raises `SettingError` for options that exclude one another."""
    if smoke and "preset" in given:
        problem, allowed = "given with --smoke", "one of the two"
        raise SettingError("preset", given["preset"], problem, allowed)
    if all(name in given for name in SIZES):
        problem = f"given with --budgets={settings.text(given['budgets'])}"
        raise SettingError(
            "hidden_sizes", given["hidden_sizes"], problem, "one of the two"
        )
    for name in given:
        tasks = options.tasks_with(name)
        if tasks and task not in tasks:
            problem, allowed = f"not an option of --task={task}", ", ".join(tasks)
            raise SettingError(name, given[name], problem, f"with --task={allowed}")
    for name in ("keep_bias", "recurrent_init", "learn_carry"):
        registry.check_option(name, given.get(name), cells)


def _task(name: str, values: Mapping[str, Any]) -> Task:
    """The task with its own settings among the values."""
    names = {field.name for field in settings.fields(TASKS[name])} - {"steps"}
    chosen = {name: value for name, value in values.items() if name in names}
    if "samples" in chosen:
        chosen["samples"] = _whole("samples", chosen["samples"])
    return TASKS[name](**chosen)


def _whole(name: str, value: Range) -> int:
    """The whole number that stands for both ends of a range."""
    if value.low != value.high or value.low % 1:
        problem, allowed = "not such a number", "one whole number"
        raise SettingError(name, value, problem, allowed)
    return int(value.low)


def _steps(task: Task, values: Mapping[str, Any]) -> tuple[int, ...]:
    own = task.description().get("steps")
    return () if own is None else values.get("steps", (own,))


def _result_seeds(first_seed: int, seeds: int) -> tuple[int, ...]:
    """The seeds of the fresh draws, which are below those of the search."""
    if first_seed + seeds > SEEDS_PER_ROUND:
        problem = "seeds that the search itself uses"
        allowed = f"0 to {SEEDS_PER_ROUND - seeds}"
        raise SettingError("first_seed", first_seed, problem, allowed)
    return tuple(range(first_seed, first_seed + seeds))


def _space(name: str, task: Task, given: Mapping[str, Any]) -> dict[str, Range]:
    """The range of each hyperparameter: as given, else that of the presets."""
    space = presets.space(name)
    for key, usual in space.items():
        if key in given:
            chosen = dataclasses.replace(given[key], log=usual.log)
            if chosen.log and chosen.low == 0 < chosen.high:
                problem = "searched by orders of magnitude"
                allowed = "a range that does not begin at 0"
                raise SettingError(key, chosen, problem, allowed)
            space[key] = chosen
    if task.searches_samples and "samples" in given:
        space["samples"] = _samples(task, given["samples"])
    return space


def _samples(task: Task, chosen: Range) -> Range:
    """The range of numbers of samples. Raises `SettingError` if there are too few."""
    (field,) = (
        field for field in settings.fields(options.Options) if field.name == "samples"
    )
    high = settings.MAX_INT if task.max_samples is None else task.max_samples
    limits = dataclasses.replace(field.about, low=MIN_SAMPLES, high=high)
    settings.check(dataclasses.replace(field, about=limits), chosen)
    return chosen
