"""The experiment: trainings with curves of validation scores, as lanes.

A lane is a training (see `training.training`), or several that follow one another: the
network that one optimizer has trained is trained on by the next. After every chunk of
updates the network is scored on validation data, the same for all lanes; a training may
end once its task is solved. At the start and at the end the gradient by lag is computed
(`gradients`), and at the end the scores on test data.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import networks
from rnnjax.cells.cell import Variables
from rnnjax.engine import updates as updates_lib
from rnnjax.engine.mesh import Mesh, unless_done
from rnnjax.optimization import gradients
from rnnjax.optimization.schema import DIVERGED
from rnnjax.results.schema import Row
from rnnjax.tasks.task import Batch, Data, Task
from rnnjax.training import training
from rnnjax.training.method import Method, forward

VALIDATION_BATCH = 512  # samples of a validation, or the task's whole part for it
GRADIENT_BATCH = 64  # of which the gradient by lag is computed
VALIDATION_ROOT = 20201113  # of their keys, the same for every lane


class State(NamedTuple):
    """The trainings of a lane, and what was measured at P points and K lags.

    Attributes:
      ended: whether the lane is padding or has diverged, bool.
      trainings: the state of each training. One that is done makes no more updates:
        the lane has ended, or the task is solved.
      accuracy, loss: `[P]` of validation; NaN where nothing was measured.
      gradients: int32 `[P]`, gradients of a batch that were computed until then.
      start, end: `[K]`, the gradient by lag.
      test: `[2]`, accuracy and loss on test data; NaN before the end.
    """

    ended: jax.Array
    trainings: tuple[training.State, ...]
    accuracy: jax.Array
    loss: jax.Array
    gradients: jax.Array
    start: jax.Array
    end: jax.Array
    test: jax.Array


class Point(NamedTuple):
    """A point of the curves.

    Attributes:
      index: of the point.
      updates, all_updates: that were made until then, by the present optimizer and in
        all.
      last: whether they are the last of the present optimizer.
    """

    index: Any
    updates: Any
    all_updates: Any
    last: Any


@dataclasses.dataclass(frozen=True)
class Optimization:
    """The lanes of one network on one task; see `lanes.Experiment`.

    Attributes:
      stages: the trainings of a lane, one after another, of equal length. The network
        has one layer, the task a score `accuracy` and a solved level.
      labels: what the row of each lane says beside the results.
      until_solved: whether a training ends once its task is solved.
    """

    stages: tuple[training.Training, ...]
    labels: tuple[Mapping[str, Any], ...]
    until_solved: bool = False

    @property
    def task(self) -> Task:
        return self.stages[0].task

    @property
    def network(self) -> networks.Network:
        return self.stages[0].network

    @property
    def chunks(self) -> int:
        return len(self.stages) * self.stages[0].chunks

    def _stage(self, chunk: int) -> tuple[int, int]:
        """The stage of a chunk, and the chunk's index in it."""
        return divmod(chunk, self.stages[0].chunks)

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ) -> State:
        trainings = tuple(
            stage.init(mesh, seeds, valid, lane_indices) for stage in self.stages
        )
        begin = mesh.map_lanes(_begin, method=self.stages[0].method, points=self.chunks)
        return State(trainings[0].done, trainings, *begin((trainings[0],), ()))

    def advance(self, mesh: Mesh, state: State, chunk: int) -> State:
        """The state after one more chunk of updates, and the validation after it."""
        stage, index = self._stage(chunk)
        trainings, method = list(state.trainings), self.stages[stage].method
        if stage and not index:
            give = mesh.map_lanes(_hand_over, method=method)
            both = trainings[stage - 1], trainings[stage]
            trainings[stage] = give(both, (np.int32(stage),))
        trainings[stage] = self.stages[stage].advance(mesh, trainings[stage], index)
        state = state._replace(trainings=tuple(trainings))
        validate = mesh.map_lanes(
            _validate, method=method, stage=stage, until_solved=self.until_solved
        )
        state = validate((state,), (self._point(chunk),))
        if chunk == self.chunks - 1:
            state = mesh.map_lanes(_end, method=method)((state,), ())
        return state

    def probe(self, mesh: Mesh, state: State) -> State:
        """The state after a training of a few updates; see `engine.trust`."""
        first, *others = state.trainings
        first = self.stages[0].probe(mesh, first)
        return state._replace(trainings=(first, *others))

    def done(self, state: State) -> jax.Array:
        """Lanes that are solved are not: they are tested at the end."""
        return state.ended

    def _point(self, chunk: int) -> Point:
        stage, index = self._stage(chunk)
        whole = self._updates(chunk)
        return Point(
            np.int32(chunk),
            np.int32(whole - stage * self.stages[stage].updates),
            np.int32(whole),
            np.bool_(index == self.stages[stage].chunks - 1),
        )

    def _updates(self, chunk: int) -> int:
        """The updates that were made after a chunk."""
        stage, index = self._stage(chunk)
        one = self.stages[stage]
        return stage * one.updates + min((index + 1) * one.per_chunk, one.updates)

    def finish(self, state: State, lane: int) -> Row:
        """The row of a lane; see `schema.KEYS`."""
        task, level = self.task, self.task.solved
        assert level is not None
        updates = [self._updates(chunk) for chunk in range(self.chunks)]
        curve = _numbers(state.accuracy[lane])
        reached = (
            n
            for n, x in zip(updates, curve)
            if x is not None and level.reached({level.score: x})
        )
        losses = [
            one.train_losses[lane][: stage.chunks]
            for stage, one in zip(self.stages, state.trainings)
        ]
        diverged = self._diverged(state, lane)
        accuracy, loss = _numbers(state.test[lane])
        if diverged is None and loss is None:
            diverged = updates[-1]
        leaves = jax.tree.leaves(state.trainings[-1].variables)
        return {
            "input_size": task.input_size,
            "hidden_size": self.network.hidden_size,
            "layers": 1,
            "sequence": task.sequence,
            "updates": updates[-1],
            "until_solved": self.until_solved,
            "parameters": sum(leaf[lane].size for leaf in leaves),
            "status": "trained" if diverged is None else DIVERGED,
            "diverged_update": diverged,
            "chance": task.chance,
            "solved_accuracy": level.value,
            "solved_update": next(reached, None),
            "accuracy": accuracy if diverged is None else None,
            "loss": loss if diverged is None else None,
            "curve_updates": updates,
            "curve_gradients": state.gradients[lane].tolist(),
            "validation_accuracy": curve,
            "validation_loss": _numbers(state.loss[lane]),
            "train_losses": _numbers(np.concatenate(losses)),
            "lags": gradients.lags(task.sequence),
            "gradient_start": _numbers(state.start[lane]),
            "gradient_end": _numbers(state.end[lane]),
            **self.labels[lane],
        }

    def _diverged(self, state: State, lane: int) -> int | None:
        """The first update that was not finite, of all stages."""
        before = 0
        for stage, one in zip(self.stages, state.trainings):
            if one.diverged[lane] >= 0:
                return before + int(one.diverged[lane])
            before += stage.updates
        return None


def _numbers(values: Any) -> list[float | None]:
    return [updates_lib.number(x) for x in values]


def _begin(
    lane: training.State, *, method: Method, points: int
) -> tuple[jax.Array, ...]:
    """What a state has beside its trainings, before the first update."""
    unknown = jnp.full(points, jnp.nan, jnp.float32)
    start = _gradient(lane.done, lane, method)
    test = jnp.full(2, jnp.nan, jnp.float32)
    counts = jnp.zeros(points, jnp.int32)
    return unknown, unknown, counts, start, jnp.full_like(start, jnp.nan), test


def _hand_over(
    before: training.State, after: training.State, stage: jax.Array, *, method: Method
) -> training.State:
    """The next training with the network of the one before, and batches of its own."""
    return after._replace(
        done=before.done,
        key=jax.random.fold_in(after.key, stage),
        variables=before.variables,
        opt_state=method.init(before.variables, after.hyperparameters),
    )


def _validate(
    state: State, point: Point, *, method: Method, stage: int, until_solved: bool
) -> State:
    """The state with one more point of its curves, unless no update was made."""
    lane = state.trainings[stage]

    def measured() -> State:
        variables = lane.variables
        if method.has_evaluated:  # after the last update the lane has these already
            variables = jax.tree.map(
                lambda old, new: jnp.where(point.last, old, new),
                variables,
                method.evaluated(lane.opt_state, variables),
            )
        batch = _validation(method.task, lane.data, VALIDATION_BATCH)
        accuracy, loss = _scores(method, variables, batch)
        count = method.gradients(lane.opt_state, point.updates)
        now = state._replace(
            accuracy=state.accuracy.at[point.index].set(accuracy),
            loss=state.loss.at[point.index].set(loss),
            gradients=state.gradients.at[point.index].set(
                point.all_updates - point.updates + count
            ),
        )
        if not until_solved:
            return now
        assert method.task.solved is not None
        solved = accuracy >= method.task.solved.value
        variables = jax.tree.map(
            lambda old, new: jnp.where(solved, new, old), lane.variables, variables
        )
        ended = lane._replace(done=solved, variables=variables)
        trainings = (*state.trainings[:stage], ended, *state.trainings[stage + 1 :])
        return now._replace(trainings=trainings)

    diverged = lane.diverged >= 0
    return unless_done(lane.done, state, measured)._replace(
        ended=state.ended | diverged
    )


def _end(state: State, *, method: Method) -> State:
    """The state with the gradient by lag and the test scores of a trained network."""
    lane, task = state.trainings[-1], method.task

    def scores() -> jax.Array:
        batch = task.test_batch(lane.data, training.test_key(), training.TEST_BATCH)
        return jnp.stack(_scores(method, lane.variables, batch))

    return state._replace(
        end=_gradient(state.ended, lane, method),
        test=unless_done(state.ended, state.test, scores),
    )


def _scores(
    method: Method, variables: Variables, batch: Batch
) -> tuple[jax.Array, jax.Array]:
    """Accuracy and loss, float32; the accuracy is NaN if the loss is not finite."""
    outputs = forward(method.network, variables, method.task, batch.x)
    scores = method.task.score(outputs, batch)
    loss, accuracy = jnp.float32(scores["loss"]), jnp.float32(scores["accuracy"])
    return jnp.where(jnp.isfinite(loss), accuracy, jnp.nan), loss


def _gradient(ended: jax.Array, lane: training.State, method: Method) -> jax.Array:
    """The gradient by lag, NaN of a lane that has ended."""
    task = method.task
    wanted = np.array(gradients.lags(task.sequence)) - 1

    def measured() -> jax.Array:
        batch = _validation(task, lane.data, GRADIENT_BATCH)
        return gradients.by_lag(method.network, lane.variables, task, batch)[wanted]

    return unless_done(ended, jnp.full(len(wanted), jnp.nan, jnp.float32), measured)


def _validation(task: Task, data: Data, count: int) -> Batch:
    key = jax.random.key(VALIDATION_ROOT, impl="threefry2x32")
    return task.validation_batch(data, key, count)
