"""The options of a run, which are the flags of the binary.

The settings of all tasks are among them, so a new task needs no change here.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

from rnnjax import settings
from rnnjax.capacity import presets
from rnnjax.capacity.search import MAX_SEARCHES, SEEDS_PER_ROUND
from rnnjax.cells import registry
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.engine.optimizers import OPTIMIZERS
from rnnjax.settings import Field, Range, setting
from rnnjax.tasks.registry import TASKS
from rnnjax.tasks.task import Task

MAX_PARAMETERS = 10**8


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """The options of all tasks. None is the default of the preset or the task."""

    task: str = setting("parameters", "Task.", choices=tuple(TASKS))
    cell: tuple[str, ...] = registry.cell_setting(("rnn_tanh",))
    budgets: tuple[int, ...] | None = setting(
        None,
        "Numbers of parameters; a network has the most units that fit.",
        high=MAX_PARAMETERS,
    )
    hidden_sizes: tuple[int, ...] | None = setting(
        None, "Units of each layer, in place of --budgets."
    )
    layers: tuple[int, ...] = setting((1,), "Numbers of layers.", high=64)
    steps: tuple[int, ...] | None = setting(
        None,
        "Steps of a sample: an option of some tasks, of which all are run.",
        high=1000,
    )
    recurrent_init: tuple[str, ...] | None = setting(
        None,
        "Initializers of the recurrent weights. Default: the cell's own.",
        choices=tuple(INITIALIZERS),
    )
    learn_carry: bool | None = setting(
        None, "Learn the initial state, which starts at 0 and counts as parameters."
    )
    preset: str = setting("quick", "How much is tried.", choices=tuple(presets.PRESETS))
    optimizer: tuple[str, ...] = setting(
        ("adam",),
        "Optimizers that are searched over.",
        choices=tuple(
            name for name, entry in OPTIMIZERS.items() if not entry.full_batch
        ),
    )
    searches: int = setting(
        1,
        "Independent searches at each point. With 2 or more the interval of the result "
        "covers the choice that a search makes.",
        high=MAX_SEARCHES,
    )
    trials: int | None = setting(
        None, "Candidates that the search starts with.", high=SEEDS_PER_ROUND // 2
    )
    rungs: int | None = setting(
        None,
        "Rounds of halving. Each trains the best candidates of the last one afresh, "
        "with more updates.",
        high=20,
    )
    factor: int = setting(
        4,
        "The next rung has so many times fewer candidates and more updates.",
        low=2,
        high=64,
    )
    updates: int | None = setting(None, "Updates of a training in the last rung.")
    finalists: int | None = setting(
        None,
        "Candidates of the last rung that are compared by their mean over "
        "--selection_seeds.",
        high=1000,
    )
    selection_seeds: int | None = setting(
        None,
        "Number of seeds that finalists, and numbers of samples, are compared on. The "
        "seeds of the result are others.",
        low=2,
        high=1000,
    )
    max_moves: int = setting(
        6, "How often the number of samples is moved by 1.25, at most.", low=0, high=100
    )
    seeds: int | None = setting(
        None, "Number of fresh draws, whose mean is the result.", high=SEEDS_PER_ROUND
    )
    first_seed: int = setting(0, "Seed of the first of them.", low=0)
    learning_rate: Range | None = setting(
        None,
        "Learning rate: a number, or a range to search over, like all that follow.",
        low=1e-12,
        high=1e6,
    )
    decay: Range | None = setting(
        None, "Power with which the learning rate falls to 0.", low=0, high=100
    )
    momentum: Range | None = setting(
        None, "Momentum (Adam's beta_1).", low=0, high=0.9999
    )
    weight_decay: Range | None = setting(
        None, "Decoupled weight decay, as in AdamW.", low=0, high=1e3
    )
    clip: Range | None = setting(
        None, "Clip the gradient to this norm.", low=1e-12, high=1e12
    )
    kernel_gain: Range | None = setting(
        None, "Factor on the initial input weights.", low=1e-6, high=1e6
    )
    recurrent_gain: Range | None = setting(
        None, "Factor on the initial recurrent weights.", low=1e-6, high=1e6
    )
    readout_gain: Range | None = setting(
        None, "Factor on the initial weights of the read-out.", low=1e-6, high=1e6
    )
    keep_bias: Range | None = setting(
        None,
        "Initial bias of the gate that keeps the state, of cells that have one.",
        low=-1e3,
        high=1e3,
    )
    samples: Range | None = setting(
        None,
        "Samples to memorize: a range to search over, by default in proportion to the "
        "parameters; or a number, if the task takes one.",
        low=1,
    )

    def __post_init__(self) -> None:
        settings.validate(self)


OWN_NAMES = frozenset(field.name for field in dataclasses.fields(SearchOptions))
SHARED_NAMES = frozenset({"steps", "samples"})  # with settings of tasks


def tasks_with(name: str) -> list[str]:
    """The tasks that an option of this name belongs to; empty if to no task alone."""
    return [
        task
        for task, kind in TASKS.items()
        if name in _fields(kind) or (name == "samples" and kind.searches_samples)
    ]


def task_options() -> list[str]:
    """The names of all options that belong to tasks."""
    names = dict.fromkeys(name for kind in TASKS.values() for name in _fields(kind))
    if taken := names.keys() & (OWN_NAMES - SHARED_NAMES):
        raise TypeError(f"a task has a setting with the name of an option: {taken}")
    return list(names)


def _fields(kind: type[Task]) -> Mapping[str, Field]:
    return {field.name: field for field in settings.fields(kind)}


def _option(name: str) -> tuple[str, Any, Any]:
    """The option for the settings of this name of all tasks, as a dataclass field."""
    by_task = {task: _fields(TASKS[task])[name] for task in tasks_with(name)}
    types = {field.type for field in by_task.values()}
    if len(types) > 1:
        raise TypeError(f"the tasks {', '.join(by_task)} differ in the type of {name}")
    abouts = [field.about for field in by_task.values()]
    option = setting(
        None,
        _help(by_task),
        low=_extreme(min, [about.low for about in abouts]),
        high=_extreme(max, [about.high for about in abouts]),
        choices=_union([about.choices for about in abouts]),
    )
    return name, types.pop() | None, option


def _help(by_task: Mapping[str, Field]) -> str:
    """As "Samples in the batch of an update (units 128, characters 32)."."""
    texts: dict[str, list[str]] = {}
    for task, field in by_task.items():
        unset = field.default is None or field.default is False
        default = "" if unset else f" {settings.text(field.default)}"
        texts.setdefault(field.about.help.rstrip("."), []).append(f"{task}{default}")
    return " ".join(f"{text} ({', '.join(of)})." for text, of in texts.items())


def _extreme(choose: Callable[[list[float]], float], bounds: list[float | None]) -> Any:
    numbers = [bound for bound in bounds if bound is not None]
    return choose(numbers) if len(numbers) == len(bounds) else None


def _union(choices: list[Collection[str] | None]) -> tuple[str, ...] | None:
    if None in choices:
        return None
    return tuple(dict.fromkeys(name for names in choices for name in names or ()))


Options: type = dataclasses.make_dataclass(
    "Options",
    [_option(name) for name in task_options() if name not in OWN_NAMES],
    bases=(SearchOptions,),
    frozen=True,
)


def preset_help() -> dict[str, str]:
    """What `--help` says of options whose default depends on the preset or the task."""
    lines = presets.preset_help()
    for name in SHARED_NAMES:
        defaults = [
            f"{task} {settings.text(fields[name].default)}"
            for task, kind in TASKS.items()
            if name in (fields := _fields(kind))
        ]
        text = ", ".join(defaults)
        lines[name] = f"{text}; {lines[name]}" if name in lines else text
    return lines
