"""One training of one network on one task, as a lane.

Update k of n makes one guarded training step (see `engine.updates`) with the learning
rate

    r_k = learning_rate (1 - k / n)^decay

on a batch of the task, its gradient clipped to a norm, with decoupled weight decay. All
hyperparameters but the optimizer are traced, so one program trains lanes that differ in
them. A lane whose loss or gradient is not finite has diverged and trains no further.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from rnnjax import networks
from rnnjax.cells.cell import Variables
from rnnjax.engine import updates as updates_lib
from rnnjax.engine.mesh import Mesh, unless_done
from rnnjax.results.schema import Row
from rnnjax.tasks.task import Data, Task
from rnnjax.text import contexts
from rnnjax.training.method import Hyperparameters, Method, forward

UPDATES_PER_CHUNK = 250
PROBED_UPDATES = 2
TEST_BATCH = 2048  # samples that a trained network is scored on
CURVE = 64  # most training losses that a row has
ROOT_SEED = 20170000
TEST_SEED = 2**31 - 1  # of the test batch, the same for every lane


class State(NamedTuple):
    """The state of a lane.

    Attributes:
      done: whether it trains no further, bool.
      key: random key of the updates' batches.
      hyperparameters: float32 each.
      data: the task's fixed data.
      variables: of the network.
      opt_state: of the optimizer.
      train_losses: `[CURVE]`, the mean loss of a chunk's updates; if there are more
        chunks, several have the same index and the last of them is kept.
      scores: of the trained network, NaN until the end.
      diverged: int32, the update whose loss or gradient was not finite, or -1.
    """

    done: jax.Array
    key: jax.Array
    hyperparameters: Hyperparameters
    data: Data
    variables: Variables
    opt_state: optax.OptState
    train_losses: jax.Array
    scores: dict[str, jax.Array]
    diverged: jax.Array


@dataclasses.dataclass(frozen=True)
class Training:
    """The trainings of one network on one task; see `lanes.Experiment`.

    Attributes:
      network: the network.
      task: the task.
      updates: updates of each lane.
      hyperparameters: those of each lane; a single entry is for all lanes.
      optimizer: name of the optimizer.
      gains: the hyperparameters that are options of the network.
      labels: what rows say of the network and the task.
      per_chunk: updates of a chunk, after each of which there is a training loss.
    """

    network: networks.Network
    task: Task
    updates: int = 4000
    hyperparameters: tuple[Hyperparameters, ...] = (Hyperparameters(),)
    optimizer: str = "adam"
    gains: tuple[str, ...] = ("kernel_gain", "recurrent_gain", "readout_gain")
    labels: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    per_chunk: int = UPDATES_PER_CHUNK

    @property
    def chunks(self) -> int:
        return math.ceil(self.updates / self.per_chunk)

    @property
    def method(self) -> Method:
        return Method(self.network, self.task, self.optimizer)

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ) -> State:
        """Fresh weights and data, which depend on the seed alone."""
        columns = jax.tree.map(
            lambda *column: np.asarray(column, np.float32)[lane_indices % len(column)],
            *self.hyperparameters,
        )
        init = mesh.map_lanes(_init, gains=self.gains, method=self.method)
        return init(mesh.place((seeds, valid, columns)), ())

    def advance(self, mesh: Mesh, state: State, chunk: int) -> State:
        """The state after one more chunk; with scores after the last of them."""
        train = mesh.map_lanes(_train, method=self.method, per_chunk=self.per_chunk)
        index = updates_lib.curve_index(chunk, self.chunks, CURVE)
        shared = np.int32(chunk), np.int32(self.updates), np.int32(index)
        return train((state,), shared)

    def probe(self, mesh: Mesh, state: State) -> State:
        """The state after a training of a few updates; see `engine.trust`."""
        short = dataclasses.replace(self, updates=PROBED_UPDATES)
        return short.advance(mesh, state, 0)

    def done(self, state: State) -> jax.Array:
        return state.done

    def finish(self, state: State, lane: int) -> Row:
        """The row of a lane: labels, hyperparameters, how it ended, and results."""
        scores = {
            name: updates_lib.number(state.scores[name][lane])
            for name in self.task.scores
        }
        diverged = int(state.diverged[lane])
        if diverged < 0 and None in scores.values():
            diverged = self.updates
        if diverged >= 0:
            scores = dict.fromkeys(scores)
        values = {
            name: float(column[lane])
            for name, column in state.hyperparameters._asdict().items()
            if name != "optimizer"
        }
        losses = state.train_losses[lane][: min(CURVE, self.chunks)]
        references = _references(self.task)
        leaves = jax.tree.leaves(state.variables)
        return {
            **self.labels,
            "hidden_size": self.network.hidden_size,
            "layers": networks.layer_count(self.network),
            "parameters": sum(leaf[lane].size for leaf in leaves),
            "updates": self.updates,
            "optimizer": self.optimizer,
            **values,
            "samples": int(values["samples"]),
            "status": "diverged" if diverged >= 0 else "trained",
            "diverged_update": diverged if diverged >= 0 else None,
            **self.results(scores),
            "train_losses": [updates_lib.number(loss) for loss in losses],
            **references,
            **(_regret(scores["loss"], references) if references else {}),
        }

    def results(self, scores: Mapping[str, float | None]) -> Row:
        """What a row says of the scores, which are None if the training diverged."""
        return dict(scores)


def _regret(loss: float | None, references: Row) -> Row:
    """What the best possible loss says of a loss, which is None of a diverged one."""
    regret = None if loss is None else loss - references["optimum"]
    known = references["contexts"], references["context_regrets"]
    return {"regret": regret, **contexts.entries(contexts.effective(regret, *known))}


def _init(
    seed: jax.Array,
    valid: jax.Array,
    hyperparameters: Hyperparameters,
    *,
    method: Method,
    gains: tuple[str, ...],
) -> State:
    """The state of a lane before its first update."""
    network, task = method.network, method.task
    root = jax.random.fold_in(jax.random.key(ROOT_SEED, impl="threefry2x32"), seed)
    weights_key, updates_key, data_key = (jax.random.fold_in(root, k) for k in range(3))
    options = {name: getattr(hyperparameters, name) for name in gains}
    variables = networks.initialize(
        network.with_options(**options), weights_key, task.input_size
    )
    data = task.make_data(data_key, hyperparameters.samples)
    scores = jax.eval_shape(lambda: _scores(method, variables, data))
    return State(
        done=~valid,
        key=updates_key,
        hyperparameters=hyperparameters,
        data=data,
        variables=variables,
        opt_state=method.init(variables, hyperparameters),
        train_losses=jnp.full(CURVE, jnp.nan),
        scores={name: jnp.float32(jnp.nan) for name in scores},
        diverged=jnp.int32(updates_lib.NOT_DIVERGED),
    )


def _train(
    state: State,
    chunk: jax.Array,
    updates: jax.Array,
    curve_index: jax.Array,
    *,
    method: Method,
    per_chunk: int,
) -> State:
    """One chunk of updates of a lane, unless it is done."""
    state = unless_done(
        state.done,
        state,
        lambda: _train_chunk(state, chunk, updates, curve_index, method, per_chunk),
    )

    # The branches on the chunk are outside the one above because they are the same for
    # all lanes: inside, vmap would turn them into selections and compute the scores
    # after every chunk.
    is_last = (chunk + 1) * per_chunk >= updates
    if method.has_evaluated:
        variables = lax.cond(
            is_last, lambda: _evaluated(state, method), lambda: state.variables
        )
        state = state._replace(variables=variables)

    def scores() -> dict[str, jax.Array]:
        return unless_done(
            state.done,
            state.scores,
            lambda: _scores(method, state.variables, state.data),
        )

    return state._replace(scores=lax.cond(is_last, scores, lambda: state.scores))


def _train_chunk(
    lane: State,
    chunk: jax.Array,
    updates: jax.Array,
    curve_index: jax.Array,
    method: Method,
    per_chunk: int,
) -> State:
    first = chunk * per_chunk
    count = jnp.minimum(per_chunk, updates - first)
    numbers, task = lane.hyperparameters, method.task
    trained, variables_of = method.trained(lane.variables)

    def step(
        state: updates_lib.TrainState, k: jax.Array, live: jax.Array | None
    ) -> tuple[updates_lib.TrainState, jax.Array]:
        if method.full_batch:
            batch = task.training_batch(lane.data)
        else:
            batch = task.sample(lane.data, jax.random.fold_in(lane.key, first + k))
        rate = numbers.learning_rate * (1 - (first + k) / updates) ** numbers.decay
        return method.step(state, first + k, batch, variables_of, numbers, rate, live)

    state = updates_lib.TrainState(trained, lane.opt_state, lane.diverged)
    state, mean_loss = updates_lib.chunk(state, count, per_chunk, step)
    return lane._replace(
        variables=variables_of(state.params),
        opt_state=state.opt_state,
        diverged=state.diverged,
        train_losses=lane.train_losses.at[curve_index].set(mean_loss),
        done=state.diverged >= 0,
    )


def _evaluated(lane: State, method: Method) -> Variables:
    """The variables of the trained network, unless the lane is done."""
    variables = method.evaluated(lane.opt_state, lane.variables)
    return jax.tree.map(
        lambda old, new: jnp.where(lane.done, old, new), lane.variables, variables
    )


def _scores(method: Method, variables: Variables, data: Data) -> dict[str, jax.Array]:
    """The scores of a network on the test batch, float32."""
    network, task = method.network, method.task
    batch = task.test_batch(data, test_key(), TEST_BATCH)
    scores = task.score(forward(network, variables, task, batch.x), batch)
    return {name: jnp.float32(score) for name, score in scores.items()}


def test_key() -> jax.Array:
    """The key of the test batch, the same for every lane."""
    return jax.random.fold_in(jax.random.key(ROOT_SEED), TEST_SEED)


@functools.lru_cache(maxsize=8)
def _references(task: Task) -> Row:
    """What is known of the best possible loss on the test batch; see `Task`."""
    return task.references(test_key(), TEST_BATCH)
