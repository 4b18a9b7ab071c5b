"""The parts of a run: all trials and seeds of one network, task and optimizer."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.engine import lanes
from rnnjax.engine.grid import LanesPart
from rnnjax.engine.runner import RowId, split_seeds
from rnnjax.optimization import hyperparameters
from rnnjax.optimization.config import RECURRENT_ONLY, Config
from rnnjax.optimization.experiment import VALIDATION_BATCH, Optimization
from rnnjax.optimization.hyperparameters import RATE, Trial, Values
from rnnjax.optimization.schema import AS_PUBLISHED, CURES, DEFAULT, NUMBERS, OWN, THEN
from rnnjax.tasks.task import Task
from rnnjax.training import method as method_lib
from rnnjax.training import training
from rnnjax.training.method import HESSIAN_FREE, Hyperparameters

MOST_POINTS = 40  # of a curve, for each optimizer
CURVATURE_POINTS = 20
# What a step costs beside its products with weights, in parameters of the same cost.
STEP_COST = 100
GRADIENT_COST = 3  # of a gradient, in evaluations of its samples


@dataclasses.dataclass(frozen=True)
class Point:
    """A network, a task and an optimizer; `shape` are the values of `schema.METHOD`."""

    network: networks.Network
    task: Task
    optimizer: str
    shape: tuple[Any, ...]

    @property
    def name(self) -> str:
        task, length, cell, activation, initializer, units, optimizer = self.shape
        words = [task if length is None else f"{task} {length}", cell]
        words += [] if cell.endswith(activation) or activation == OWN else [activation]
        words += [] if initializer == OWN else [initializer]
        return ", ".join([*words, f"{units} units", optimizer])


class Run(NamedTuple):
    """A lane: a trial and a seed."""

    trial: Trial
    seed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialsPart(LanesPart):
    """Runs of one point; `make` makes the experiment of some of them."""

    shape: tuple[Any, ...]
    runs: tuple[Run, ...]
    make: Callable[[Sequence[Run]], Optimization] = dataclasses.field(compare=False)

    @property
    def ids(self) -> list[RowId]:
        return [(*self.shape, run.trial.number, run.seed) for run in self.runs]

    def group(self, missing: Sequence[int]) -> lanes.Group:
        runs = [self.runs[k] for k in missing]
        seeds = tuple(run.seed for run in runs)
        shape = "-".join(map(str, self.shape)).replace(":", ".")
        first, last = (run.trial.number for run in (runs[0], runs[-1]))
        name = f"{shape}-k{first}-{last}-s{seeds[0]}-{seeds[-1]}"
        cost = self.group_cost(len(runs))
        made = self.make(runs)
        return lanes.Group(name, made, seeds, cost, numbers=self.numbers)


def parts(config: Config, processes: int = 1) -> list[TrialsPart]:
    """All points of a run with their runs, cut for so many processes."""
    found = list(points(config))
    return [
        _part(config, point, seeds)
        for point in found
        for seeds in split_seeds(config.seed_list, len(found), processes)
    ]


def points(config: Config) -> Iterator[Point]:
    """Every network, task and optimizer.

    With --study=cures each point differs from the first cell with the first optimizer
    in one of the two.
    """
    optimizers = config.optimizer or ()
    if config.protocol == AS_PUBLISHED:
        orders = itertools.permutations(optimizers)
        optimizers = tuple(THEN.join(order) for order in orders)
    for ((name, length), task), cell, initializer, units in itertools.product(
        config.tasks.items(),
        config.cells,
        config.initializer or (OWN,),
        config.hidden_sizes,
    ):
        other = config.study == CURES and cell != config.cells[0]
        for activation, module in _modules(config, cell, initializer, units):
            network = networks.Network(module, outputs=task.outputs)
            for optimizer in optimizers[:1] if other else optimizers:
                shape = (name, length, cell, activation, initializer, units, optimizer)
                yield Point(network, task, optimizer, shape)


def _modules(
    config: Config, cell: str, initializer: str, units: int
) -> Iterator[tuple[str, Any]]:
    """The cell with each nonlinearity, and the name of this."""
    make, known = registry.find(cell, config.own), registry.options(cell)
    chosen: dict[str, Any] = {}
    if initializer != OWN:
        if "recurrent_init" in known:
            chosen["recurrent_init"] = INITIALIZERS[initializer]
        if "kernel_init" in known and initializer not in RECURRENT_ONLY:
            chosen["kernel_init"] = INITIALIZERS[initializer]
    names = (
        config.activation if "activation" in known and config.activation else (None,)
    )
    for name in names:
        options = {} if name is None else {"activation": registry.ACTIVATIONS[name]}
        module = networks.build(make, units, 1, **chosen, **options)
        found = registry.option_values(module).get("activation")
        yield str(found or OWN), module


def _part(config: Config, point: Point, seeds: Sequence[int]) -> TrialsPart:
    runs = tuple(
        Run(trial, seed)
        for seed in seeds
        for trial in _trials(config, point.optimizer, seed)
    )
    stages = point.optimizer.split(THEN)
    made = _stages(config, point, runs[:1])
    parameters = networks.parameter_count(point.network, point.task.input_size)
    samples = sum(
        GRADIENT_COST * _samples(config, stage) * stage.updates
        + stage.chunks * VALIDATION_BATCH
        for stage in made
    )
    one = samples * point.task.sequence * (parameters + STEP_COST)
    units = point.network.hidden_size
    largest = max(stage.task.batch for stage in made)
    return TrialsPart(
        name=point.name,
        shape=point.shape,
        runs=runs,
        make=functools.partial(_experiment, config, point),
        group_cost=functools.partial(_cost, one),
        programs={("train", *point.shape[:-1], stage): 1.0 for stage in stages},
        numbers=4 * parameters + 8 * largest * point.task.sequence * units,
    )


def _cost(of_a_lane: float, count: int) -> float:
    return of_a_lane * count


def _samples(config: Config, stage: training.Training) -> int:
    """The samples whose gradient an update computes, about."""
    if stage.optimizer == HESSIAN_FREE:
        return stage.task.batch * method_lib.ITERATIONS
    if stage.method.full_batch:
        return stage.task.training_samples or stage.task.batch
    return stage.task.batch


def _trials(config: Config, optimizer: str, seed: int) -> list[Trial]:
    if THEN in optimizer:  # each of them has its defaults
        return [Trial(DEFAULT, {}, searched=False)]
    tried = config.trials or 0
    return hyperparameters.trials(optimizer, config.search, tried, seed, config.rates)


def _experiment(config: Config, point: Point, runs: Sequence[Run]) -> Optimization:
    stages = _stages(config, point, runs)
    labels = [_labels(config, point, stages, run) for run in runs]
    return Optimization(stages, tuple(labels), bool(config.until_solved))


def _stages(
    config: Config, point: Point, runs: Sequence[Run]
) -> tuple[training.Training, ...]:
    """The training by each optimizer, with the hyperparameters of each run."""
    return tuple(
        _training(config, point, optimizer, [run.trial.values for run in runs])
        for optimizer in point.optimizer.split(THEN)
    )


def _training(
    config: Config, point: Point, optimizer: str, values: Sequence[Values]
) -> training.Training:
    task, updates, most = point.task, config.updates_on(point.task), MOST_POINTS
    if optimizer == HESSIAN_FREE:
        changed: Any = task
        task = dataclasses.replace(changed, batch=config.curvature_batch)
        updates, most = config.curvature_updates, CURVATURE_POINTS
    defaults = hyperparameters.trials(optimizer, config.search, 0, 0)[0].values
    return training.Training(
        point.network,
        task,
        updates,
        tuple(_hyperparameters(config, optimizer, one or defaults) for one in values),
        optimizer,
        gains=(),
        per_chunk=math.ceil(updates / min(most, updates)),
    )


def _hyperparameters(config: Config, optimizer: str, values: Values) -> Hyperparameters:
    numbers = {name: value for name, value in values.items() if name != RATE}
    if optimizer == HESSIAN_FREE and config.structural:
        numbers["structural"] = config.structural
    return Hyperparameters(
        learning_rate=values.get(RATE, 0.0),
        decay=config.decay,
        clip=config.clip,
        optimizer=numbers,
    )


def _labels(
    config: Config, point: Point, stages: Sequence[training.Training], run: Run
) -> dict[str, Any]:
    task, length, cell, activation, initializer, _, optimizer = point.shape
    first, values = stages[0], dict(run.trial.values)
    if optimizer == HESSIAN_FREE and config.structural:
        values["structural"] = config.structural
    samples, batch = point.task.training_samples, first.task.batch
    if first.method.full_batch:
        batch = samples or batch
    clips = optimizer != HESSIAN_FREE and not first.method.full_batch
    return {
        "benchmark": "optimization",
        "study": config.study,
        "protocol": config.protocol,
        "task": task,
        "length": length,
        "cell": cell,
        "activation": activation,
        "initializer": initializer,
        "optimizer": optimizer,
        "trial": run.trial.number,
        "searched": run.trial.searched,
        "search": config.search,
        RATE: values.get(RATE),
        **{name: values.get(name) for name in NUMBERS},
        "decay": config.decay,
        "clip": config.clip if clips else None,
        "batch": batch,
        "epoch": samples / batch if samples else None,
    }
