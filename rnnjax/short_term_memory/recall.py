"""The experiment: a network learns to recall, as a lane, and is tested at its end.

A training (see `training.training`) on `tasks.recall` with 1 to P pairs and T steps is
followed by tests on samples held out, the same for all lanes:

- by pairs: samples of exactly n pairs for each n, also beyond P, of T steps, or of 3 n
  if that is more;
- by length: samples of 1 to P pairs, as in training, for each length.

All samples have arrays of one size, so one loop over time serves every point. What is
blank at the end of a sample has no effect on the answers before.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rnnjax import networks
from rnnjax.cells.cell import Variables
from rnnjax.engine import updates as updates_lib
from rnnjax.engine.mesh import Mesh, unless_done
from rnnjax.results.schema import Row
from rnnjax.settings import SettingError
from rnnjax.tasks import recall
from rnnjax.tasks.task import weighted_mean
from rnnjax.training import method, training

TEST_SAMPLES = 512  # at each number of pairs, and at each length
TEST_ROOT = 20231208  # of their keys, the same for every lane
# What a training has, but these do not use: the networks start as their cells say.
UNUSED = ("kernel_gain", "recurrent_gain", "readout_gain", "keep_bias", "samples")

Numbers = Any  # int32, of NumPy on the host, traced on devices


class Points(NamedTuple):
    """What is tested: samples of `fewest` to `most` pairs and `lengths` steps."""

    fewest: Numbers
    most: Numbers
    lengths: Numbers


class State(NamedTuple):
    """The training of a lane, and its accuracy at each point that is tested.

    The accuracy is NaN before the end, and where an output was not finite.
    """

    training: training.State
    accuracy: jax.Array


@dataclasses.dataclass(frozen=True)
class Recall:
    """The trainings of one network on recall; see `lanes.Experiment`.

    Attributes:
      training: how the network is trained, on a task `recall`.
      pairs: numbers of pairs that it is tested at, at most as many as there are keys.
      lengths: lengths that it is tested at, with the pairs of training.

    Raises `SettingError`, see `check`.
    """

    training: training.Training
    pairs: tuple[int, ...]
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        check(self.task, self.pairs, self.lengths)

    @property
    def task(self) -> recall.Recall:
        assert isinstance(self.training.task, recall.Recall)
        return self.training.task

    @property
    def chunks(self) -> int:
        return self.training.chunks

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ) -> State:
        state = self.training.init(mesh, seeds, valid, lane_indices)
        shape = len(seeds), len(self.points.lengths)
        return State(state, mesh.place(jnp.full(shape, jnp.nan, jnp.float32)))

    def advance(self, mesh: Mesh, state: State, chunk: int) -> State:
        """The state after 250 more updates; with the tests after the last of them."""
        trained = self.training.advance(mesh, state.training, chunk)
        state = state._replace(training=trained)
        return state if chunk < self.chunks - 1 else self._tested(mesh, state)

    def probe(self, mesh: Mesh, state: State) -> State:
        """The state after a training of a few updates; see `engine.trust`."""
        return state._replace(training=self.training.probe(mesh, state.training))

    def done(self, state: State) -> jax.Array:
        return state.training.done

    @property
    def points(self) -> Points:
        """Those by pairs, then those by length."""
        task, mixed = self.task, len(self.lengths)
        least = (recall.STEPS_PER_PAIR * pairs for pairs in self.pairs)
        longer = tuple(max(task.length, steps) for steps in least)
        columns = (
            (*self.pairs, *[1] * mixed),
            (*self.pairs, *[task.pairs] * mixed),
            (*longer, *self.lengths),
        )
        return Points(*(np.array(column, np.int32) for column in columns))

    def _tested(self, mesh: Mesh, state: State) -> State:
        points, trained = self.points, state.training
        pairs, length = int(max(points.most)), int(max(points.lengths))
        task = dataclasses.replace(self.task, pairs=pairs, length=length)
        test = mesh.map_lanes(_test, network=self.training.network, task=task)
        lanes = trained.done, state.accuracy, trained.variables
        return state._replace(accuracy=test(lanes, (points,)))

    def finish(self, state: State, lane: int) -> Row:
        """The row of a lane; see `recall_schema.RECALL_KEYS`."""
        task, trained = self.task, self.training.finish(state.training, lane)
        for name in UNUSED:
            del trained[name]
        count = len(self.pairs)
        accuracy = [updates_lib.number(x) for x in state.accuracy[lane]]
        return trained | {
            "input_size": task.input_size,
            "vocabulary": task.vocabulary,
            "batch": task.batch,
            "trained_pairs": task.pairs,
            "trained_length": task.length,
            "state_size": networks.state_size(self.training.network),
            "chance": task.chance,
            "chance_accuracy": 1 / task.values,
            "pairs": list(self.pairs),
            "pairs_lengths": self.points.lengths[:count].tolist(),
            "accuracy": accuracy[:count],
            "lengths": list(self.lengths),
            "length_accuracy": accuracy[count:],
            **self.training.labels,  # the number as given, not as float32 has it
        }


def check(task: recall.Recall, pairs: Sequence[int], lengths: Sequence[int]) -> None:
    """Raises `SettingError` for pairs or lengths that a task cannot be tested at."""
    fewest = recall.STEPS_PER_PAIR * task.pairs
    if max(pairs) > task.keys:
        problem = f"--vocabulary={task.vocabulary} has {task.keys} keys"
        raise SettingError("test_pairs", tuple(pairs), problem, f"1 to {task.keys}")
    if min(lengths) < fewest:
        problem = f"too short for --pairs={task.pairs}"
        raise SettingError("test_lengths", tuple(lengths), problem, f"{fewest} or more")


def _test(
    done: jax.Array,
    before: jax.Array,
    variables: Variables,
    points: Points,
    *,
    network: networks.Network,
    task: recall.Recall,
) -> jax.Array:
    """The fraction of queries that a network answers right, `[points]`."""

    def accuracy(point: tuple[jax.Array, Points]) -> jax.Array:
        index, (fewest, most, length) = point
        root = jax.random.key(TEST_ROOT, impl="threefry2x32")
        key = jax.random.fold_in(root, index)
        batch = task.sample_at(key, TEST_SAMPLES, fewest, most, length)
        y = method.forward(network, variables, task, batch.x)
        correct = jnp.argmax(y, axis=-1) == batch.target
        finite = jnp.all(jnp.isfinite(y), axis=-1) | (batch.weight == 0)
        mean = weighted_mean(correct.astype(jnp.float32), batch.weight)
        return jnp.where(jnp.all(finite), mean, jnp.nan)

    indices = jnp.arange(len(before))
    return unless_done(done, before, lambda: lax.map(accuracy, (indices, points)))
