"""The experiment: the best that a network of one shape can be trained to, searched for over populations of settings."""

import dataclasses
import itertools
import operator
from collections.abc import Callable, Iterator

from rnnjax import networks
from rnnjax.capacity import search, training
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.tasks.task import Task

MOST_LANES = 1024  # of an accelerator, at once
CORE_LANES = 8  # of a CPU core, in one program

OWN = "own"
LABELS = (
    "cell",
    "recurrent_init",
    "layers",
    "steps",
    "budget",
    "stage",
    "trial",
    "step",
    "seed",
)


@dataclasses.dataclass(frozen=True)
class Point:
    """One network on one task, and the names it goes by in rows; `space` says where its settings may lie."""

    network: networks.Network
    task: Task
    space: dict[str, search.Range]
    labels: dict
    gains: tuple[str, ...] = ("kernel_gain", "recurrent_gain", "readout_gain")

    @property
    def name(self) -> str:
        """What its files are called."""
        keys = ("cell", "recurrent_init", "layers", "steps", "budget")
        return "-".join(
            str(self.labels[key]) for key in keys if self.labels[key] not in (None, OWN)
        )


@dataclasses.dataclass(frozen=True)
class Study:
    """What is done at every point; no number of samples goes above `most_samples`."""

    plan: search.Plan
    optimizers: tuple[str, ...] = ("adam",)
    most_samples: int = 2**31


def lanes_at_once(mesh: Mesh) -> int:
    return len(mesh.devices) * CORE_LANES if mesh.width else MOST_LANES


def groups(
    points: list[Point], study: Study, known: dict[tuple, dict], mesh: Mesh
) -> Iterator[lanes.Group]:
    """The groups of trials that every point's search asks for, one after another.

    `known` maps the labels of trials to their rows. It is looked at as groups are asked for: the rows of a group must be in it
    before the next one is. Trials that it has already are not run again.
    """
    for point in points:
        asked = search.search(
            point.space, study.optimizers, study.plan, study.most_samples
        )
        trials = next(asked)
        while True:
            missing = [trial for trial in trials if label(point, trial) not in known]
            yield from _groups(
                point, missing, _room(point, trials), lanes_at_once(mesh)
            )
            try:
                trials = asked.send(
                    [score(point.task, known[label(point, trial)]) for trial in trials]
                )
            except StopIteration:
                break


def label(point: Point, trial: search.Trial) -> tuple:
    """What tells the row of a trial from all others; see `LABELS`."""
    names = point.labels | {
        "stage": trial.stage,
        "trial": trial.number,
        "step": trial.step,
        "seed": trial.seed,
    }
    return tuple(names[key] for key in LABELS)


def score(task: Task, row: dict) -> float | None:
    """What the search maximises; None for a training that diverged."""
    value = row[task.objective]
    return value if value is None or task.maximize else -value


def bucket(samples: int) -> int:
    """The room a program has for so many samples: 2^k or 3 * 2^k, 64 at least, so that few programs serve all numbers."""
    room = 64
    while room < samples:
        room = room * 3 // 2 if room & (room - 1) == 0 else room * 4 // 3
    return room


def cost(task: Task, parameters: int, updates: int, trials: int) -> float:
    """How long trainings take, in a unit of their own."""
    return float(task.batch) * task.sequence * (parameters + 100) * updates * trials


def expected_cost(points: list[Point], study: Study, known: dict[tuple, dict]) -> float:
    """The `cost` of all groups if every search moves once, without that of the trainings that have a row; 1 at least."""
    plan, total = study.plan, 0.0
    for point in points:
        rungs = [plan.rung(r) for r in range(plan.rungs)]
        moved = "samples" in point.space
        task = (
            dataclasses.replace(
                point.task, padded_samples=bucket(round(point.space["samples"].high))
            )
            if moved
            else point.task
        )
        judged = (plan.finalists if plan.finalists > 1 else 0) + 4 * moved
        for trials, updates in [
            *rungs,
            (judged * plan.judges + len(plan.draws), plan.updates),
        ]:
            total += cost(task, point.labels["parameters"], updates, trials)
        done = sum(
            row["updates"]
            for row in known.values()
            if point.labels.items() <= row.items()
        )
        total -= cost(task, point.labels["parameters"], done, 1)
    return max(total, 1.0)


def measure(
    make: Callable,
    task: Task,
    budget: int,
    study: Study,
    space: dict[str, search.Range],
    mesh=None,
) -> list[dict]:
    """All rows of the search for the best network of cells `make(hidden_size=...)` with at most `budget` parameters.

    Raises ValueError if the budget is too small for one unit.
    """
    mesh = mesh or Mesh.local()
    network = largest_network(make, task, budget)
    point = Point(
        network,
        task,
        space,
        labels(network, task, make(hidden_size=1).__class__.__name__, budget),
    )
    known = {}
    for result in lanes.run(groups([point], study, known, mesh), mesh):
        known.update((row_label(row), row) for row in result.rows)
    return list(known.values())


def largest_network(
    make: Callable, task: Task, budget: int, layers: int = 1
) -> networks.Network:
    """The network of `layers` cells `make(hidden_size=...)` with the most units that `budget` parameters allow."""

    def sized(units):
        return networks.Network(
            networks.stack(lambda: make(hidden_size=units), layers),
            outputs=task.outputs,
        )

    return sized(networks.largest_units(sized, budget, task.input_size))


def labels(
    network: networks.Network,
    task: Task,
    cell: str,
    budget: int,
    recurrent_init: str = OWN,
) -> dict:
    """The names of a point in rows; `recurrent_init` is the initialiser that took the place of the cell's own."""
    return {
        "cell": cell,
        "recurrent_init": recurrent_init,
        "layers": networks.layer_count(network.cell),
        "steps": getattr(task, "steps", None),
        "budget": budget,
        "input_size": task.input_size,
        "parameters": networks.parameter_count(network, task.input_size),
    }


def row_label(row: dict) -> tuple:
    return tuple(row[key] for key in LABELS)


def _room(point: Point, trials: list[search.Trial]) -> int | None:
    """How many samples the program of these trials has room for: the most that any asks for.

    It is found before trials that have a row already are left out, for it decides how sums are rounded.
    """
    return (
        bucket(max(int(trial.settings["samples"]) for trial in trials))
        if "samples" in point.space
        else None
    )


def _groups(
    point: Point, trials: list[search.Trial], room: int | None, most: int
) -> Iterator[lanes.Group]:
    """Trials of one program together, at most `most` of them."""
    task = point.task if room is None else dataclasses.replace(point.task, padded_samples=room)
    by_optimizer = operator.attrgetter("optimizer")
    for optimizer, alike in itertools.groupby(
        sorted(trials, key=by_optimizer), by_optimizer
    ):
        for some in itertools.batched(alike, most):
            stage, updates, seeds = (
                some[0].stage,
                some[0].updates,
                tuple(trial.seed for trial in some),
            )
            settings = tuple(
                training.Settings()._replace(**trial.settings) for trial in some
            )
            named = point.labels | {"stage": stage}
            experiment = Trials(
                point.network,
                task,
                updates,
                settings,
                optimizer,
                point.gains,
                named,
                some,
            )
            name = f"{point.name}-{stage}-{some[0].number}-{some[0].step}-{seeds[0]}"
            price = cost(task, point.labels["parameters"], updates, len(some))
            yield lanes.Group(
                name,
                experiment,
                seeds,
                price,
                min_slots=most if most < MOST_LANES else None,
            )


@dataclasses.dataclass(frozen=True)
class Trials(training.Training):
    """Trainings whose rows say which trials of a search they are."""

    trials: tuple[search.Trial, ...] = ()

    def finish(self, state: training.Lane, lane: int) -> dict:
        return super().finish(state, lane) | {
            "trial": self.trials[lane].number,
            "step": self.trials[lane].step,
        }
