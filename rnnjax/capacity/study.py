"""A study: the search for the best training at every point of a run."""

import dataclasses
import itertools
import operator
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from rnnjax.capacity import points, search
from rnnjax.capacity.config import Config
from rnnjax.capacity.points import Point
from rnnjax.capacity.schema import OWN, ROW_ID
from rnnjax.capacity.search import Plan, Trial
from rnnjax.cells.cell import Cell
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.runner import RowId, Runner
from rnnjax.results.schema import Row
from rnnjax.settings import Range
from rnnjax.tasks.task import Task
from rnnjax.training import method, training

MAX_LANES = 1024  # that an accelerator trains at once
CORE_LANES = 8  # of a CPU core, in one program
# What a step costs beside its products with weights, in parameters of the same cost.
STEP_COST = 100
# Numbers of samples that a bracket compares if it moves once.
BRACKET_SIZES = 4


@dataclasses.dataclass(frozen=True)
class PointSearch:
    """The search with an index at one point: a part of a run; see `runner.Part`."""

    point: Point
    plan: Plan
    optimizers: tuple[str, ...] = ("adam",)
    index: int = 0
    compile_cost: ClassVar[float] = 0.0

    @property
    def name(self) -> str:
        """As "gru, 2 layers, 5 steps, budget 60, search 1"; search 0 is not named."""
        labels = self.point.labels
        words = [labels["cell"]]
        words += [labels["recurrent_init"]] * (labels["recurrent_init"] != OWN)
        words += [f"{labels['layers']} layers"] * (labels["layers"] > 1)
        words += [f"{labels['steps']} steps"] * (labels["steps"] is not None)
        words.append(f"budget {labels['budget']}")
        words += [f"search {self.index}"] * (self.index > 0)
        return ", ".join(words)

    @property
    def programs(self) -> dict[Hashable, float]:
        """Two for each optimizer and each padded size of the range of samples."""
        return {
            (program, self.point.network, task, optimizer): 1.0
            for program in ("init", "train")
            for task in _padded(self.point)
            for optimizer in self.optimizers
        }

    def lanes(self, known: Mapping[RowId, Row]) -> int:
        """The lanes without a row if the bracket moves once."""
        expected = sum(trials for trials, _ in self._rounds())
        return max(expected - len(self._done(known)), 0)

    def cost(self, known: Mapping[RowId, Row]) -> float:
        """The cost of these lanes; 1 at least, since a search may take longer."""
        point = self.point
        *_, task = _padded(point)
        parameters = point.labels["parameters"]
        updates = sum(trials * updates for trials, updates in self._rounds())
        done = sum(row["updates"] for row in self._done(known))
        return max(cost(task, parameters, updates - done), 1.0)

    def run(self, runner: Runner) -> None:
        """Searches; the runner gives the rows of each round."""
        at_once = lanes_at_once(runner.mesh)

        def evaluate(trials: list[Trial]) -> list[float | None]:
            def make_groups(missing: Sequence[int]) -> Iterator[lanes.Group]:
                return groups(point, [trials[k] for k in missing], task, at_once)

            # From all trials of the round, since padding decides how sums are rounded:
            # a run that is resumed must pad alike.
            task = _task(point, trials)
            ids = [row_id(point, trial) for trial in trials]
            return [row["score"] for row in runner.rows(ids, make_groups)]

        point = self.point
        search.search(
            point.space,
            self.optimizers,
            self.plan,
            evaluate,
            point.task.max_samples,
            self.index,
        )

    def _rounds(self) -> Iterator[tuple[int, int]]:
        """The trials and updates of each round, if the bracket moves once."""
        plan = self.plan
        yield from (plan.rung(r) for r in range(plan.rungs))
        if plan.finalists > 1:
            yield plan.finalists * plan.selection_seeds, plan.updates
        if "samples" in self.point.space and plan.max_moves:
            yield BRACKET_SIZES * plan.selection_seeds, plan.updates
        yield len(plan.result_seeds), plan.updates

    def _done(self, known: Mapping[RowId, Row]) -> list[Row]:
        id = (*self.point.id, self.index)
        return [row for key, row in known.items() if key[: len(id)] == id]


def parts(config: Config, processes: int = 1) -> list[PointSearch]:
    """The searches of a run, whatever the number of processes: first one a point.

    Raises `SettingError` for a budget that is too small for one unit.
    """
    del processes
    return [
        PointSearch(point, config.plan, config.optimizers, index)
        for index in range(config.searches)
        for point in points.points(config)
    ]


def describe(config: Config) -> list[str]:
    """How much is tried, in a few short lines."""
    plan = config.plan
    rungs = [plan.rung(r) for r in range(plan.rungs)]
    rounds = [f"{trials} x {updates:,} updates" for trials, updates in rungs]
    later = [f"the best on {len(plan.result_seeds)} fresh draws"]
    if config.task.searches_samples and plan.max_moves:
        later.insert(0, f"at most {plan.max_moves} moves of the number of samples")
    if plan.finalists > 1:
        later.insert(0, f"{plan.finalists} finalists x {plan.selection_seeds} seeds")
    each = f"each search: {', '.join(rounds)},"
    count = [f"{config.searches} searches a point"] * (config.searches > 1)
    return [*count, each, f"then {', '.join(later)}"]


def measure(
    make: Callable[..., Cell],
    task: Task,
    budget: int,
    plan: Plan,
    space: Mapping[str, Range],
    optimizers: tuple[str, ...] = ("adam",),
    mesh: Mesh | None = None,
) -> list[Row]:
    """All rows of the search for the best network that a budget allows.

    It has the most units of a cell `make(hidden_size=...)` with which the network has
    at most `budget` parameters. The last `len(plan.result_seeds)` rows are the result.

    Raises ValueError if the budget is too small for one unit.
    """
    network = points.largest_network(make, task, budget)
    labels = points.labels(network, task, type(network.cell).__name__, budget)
    point = Point(network, task, space, labels)
    runner = Runner(ROW_ID, mesh or Mesh.local())
    PointSearch(point, plan, optimizers).run(runner)
    return list(runner.known.values())


def lanes_at_once(mesh: Mesh) -> int:
    """How many lanes one program trains, at most."""
    return len(mesh.devices) * CORE_LANES if mesh.width else MAX_LANES


def cost(task: Task, parameters: int, updates: float) -> float:
    """The time of so many updates, in a unit of its own."""
    return float(task.batch) * task.sequence * (parameters + STEP_COST) * updates


def row_id(point: Point, trial: Trial) -> RowId:
    """The identity of a trial's row; see `schema.ROW_ID`."""
    trial_id = (trial.search, trial.stage, trial.number, trial.move, trial.seed)
    return (*point.id, *trial_id)


def groups(
    point: Point, trials: Sequence[Trial], task: Task, at_once: int
) -> Iterator[lanes.Group]:
    """Groups of trials of the same optimizer, at most `at_once` in each."""
    by_optimizer = operator.attrgetter("optimizer")
    for optimizer, same in itertools.groupby(
        sorted(trials, key=by_optimizer), by_optimizer
    ):
        for batch in itertools.batched(same, at_once):
            first = batch[0]
            experiment = Trials(
                network=point.network,
                task=task,
                updates=first.updates,
                hyperparameters=tuple(_hyperparameters(trial) for trial in batch),
                optimizer=optimizer,
                gains=point.gains,
                labels={**point.labels, "search": first.search, "stage": first.stage},
                trials=batch,
            )
            parameters = point.labels["parameters"]
            yield lanes.Group(
                name=f"{point.file_name}-{first.stage}-{first.number}-{first.move}"
                f"-{first.seed}",
                experiment=experiment,
                seeds=tuple(trial.seed for trial in batch),
                cost=cost(task, parameters, first.updates * len(batch)),
                numbers=_numbers(point, task),
                min_slots=at_once if at_once < MAX_LANES else None,
            )


@dataclasses.dataclass(frozen=True)
class Trials(training.Training):
    """Trainings whose rows say which trials of a search they are."""

    trials: tuple[Trial, ...] = ()

    def finish(self, state: Any, lane: int) -> Row:
        trial = self.trials[lane]
        numbers = {"trial": trial.number, "move": trial.move}
        return super().finish(state, lane) | numbers

    def results(self, scores: Mapping[str, float | None]) -> Row:
        """The scores, what the search maximizes, and what the task says of a loss."""
        task, loss, best = self.task, scores["loss"], scores[self.task.objective]
        return {
            "failed": loss is None or loss >= task.chance,
            **scores,
            "score": best if best is None or task.maximize else -best,
            "objective": task.objective,
            "scores": list(scores),
            "chance": task.chance,
            "loss_bound": task.loss_bound(self.network.hidden_size),
            "loss_name": task.loss_name,
        }


def _numbers(point: Point, task: Task) -> int:
    """About how many numbers a lane takes: weights, and the states of a batch."""
    states = task.batch * task.sequence * point.network.hidden_size
    return point.labels["parameters"] + states


def _hyperparameters(trial: Trial) -> method.Hyperparameters:
    return method.Hyperparameters(**trial.hyperparameters)


def _task(point: Point, trials: Sequence[Trial]) -> Task:
    """The task with space for the samples of any of the trials."""
    if "samples" not in point.space:
        return point.task
    samples = max(int(trial.hyperparameters["samples"]) for trial in trials)
    return point.task.with_padding(samples)


def _padded(point: Point) -> Iterator[Task]:
    """The task with each padded size in the range of samples, the least first."""
    if "samples" not in point.space:
        yield point.task
        return
    samples, last = point.space["samples"], round(point.space["samples"].high)
    task = point.task.with_padding(round(samples.low))
    yield task
    while task.batch < last:
        task = point.task.with_padding(task.batch + 1)
        yield task
