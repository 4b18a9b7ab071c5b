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
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import flatten_util, lax

from rnnjax import networks
from rnnjax.cells.cell import Variables
from rnnjax.engine import updates as updates_lib
from rnnjax.engine.mesh import Mesh, unless_done
from rnnjax.engine.optimizers import OPTIMIZERS
from rnnjax.results.schema import Row
from rnnjax.tasks.task import Data, Task
from rnnjax.text import contexts

UPDATES_PER_CHUNK = 250
PROBED_UPDATES = 2
TEST_BATCH = 2048  # samples that a trained network is scored on
CURVE = 64  # most training losses that a row has
ROOT_SEED = 20170000
TEST_SEED = 2**31 - 1  # of the test batch, the same for every lane


class Hyperparameters(NamedTuple):
    """The numbers of one training, each of them traced, so lanes may differ in them.

    `samples` is how many samples of a fixed data set are used; tasks that draw fresh
    data ignore it, as cells without a keep bias ignore `keep_bias`.
    """

    learning_rate: Any = 3e-3
    decay: Any = 1.0
    momentum: Any = 0.9
    weight_decay: Any = 0.0
    clip: Any = 1.0
    kernel_gain: Any = 1.0
    recurrent_gain: Any = 1.0
    readout_gain: Any = 1.0
    keep_bias: Any = 0.0
    samples: Any = 0.0


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
    """

    network: networks.Network
    task: Task
    updates: int = 4000
    hyperparameters: tuple[Hyperparameters, ...] = (Hyperparameters(),)
    optimizer: str = "adam"
    gains: tuple[str, ...] = ("kernel_gain", "recurrent_gain", "readout_gain")
    labels: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def chunks(self) -> int:
        return math.ceil(self.updates / UPDATES_PER_CHUNK)

    @property
    def _static(self) -> dict[str, Any]:
        names = ("network", "task", "optimizer")
        return {name: getattr(self, name) for name in names}

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ) -> State:
        """Fresh weights and data, which depend on the seed alone."""
        columns = Hyperparameters(
            *(
                np.asarray(column, np.float32)[lane_indices % len(column)]
                for column in zip(*self.hyperparameters)
            )
        )
        init = mesh.map_lanes(_init, gains=self.gains, **self._static)
        return init(mesh.place((seeds, valid, columns)), ())

    def advance(self, mesh: Mesh, state: State, chunk: int) -> State:
        """The state after 250 more updates; with scores after the last of them."""
        train = mesh.map_lanes(_train, **self._static)
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


def forward(
    network: networks.Network, variables: Variables, task: Task, x: jax.Array
) -> jax.Array:
    """The network's answers to inputs x `[T, B, ...]`, from the initial state.

    `[T + blank_steps, B, O]` if the task has an answer at every step, else `[B, O]`,
    those after the last step.
    """
    apply: Callable[..., Any] = network.apply
    # The order of the two projections decides the last bits of their gradient.
    blank = None
    if task.blank_steps:
        blank = apply(variables, jnp.zeros_like(x[0, 0]), method="project")
    z = apply(variables, x, method="project")
    y = networks.unroll_layers(network, variables, z, blank, task.blank_steps)
    return apply(variables, y if task.every_step else y[-1], method="read")


def _init(
    seed: jax.Array,
    valid: jax.Array,
    hyperparameters: Hyperparameters,
    *,
    network: networks.Network,
    task: Task,
    optimizer: str,
    gains: tuple[str, ...],
) -> State:
    """The state of a lane before its first update."""
    root = jax.random.fold_in(jax.random.key(ROOT_SEED, impl="threefry2x32"), seed)
    weights_key, updates_key, data_key = (jax.random.fold_in(root, k) for k in range(3))
    options = {name: getattr(hyperparameters, name) for name in gains}
    variables = networks.initialize(
        network.with_options(**options), weights_key, task.input_size
    )
    data = task.make_data(data_key, hyperparameters.samples)
    scores = jax.eval_shape(lambda: _scores(network, task, variables, data))
    transformation = _transformation(optimizer, hyperparameters)
    trained, _ = _trained(optimizer, variables)
    return State(
        done=~valid,
        key=updates_key,
        hyperparameters=hyperparameters,
        data=data,
        variables=variables,
        opt_state=transformation.init(trained),
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
    network: networks.Network,
    task: Task,
    optimizer: str,
) -> State:
    """One chunk of updates of a lane, unless it is done."""
    state = unless_done(
        state.done,
        state,
        lambda: _train_chunk(
            state, chunk, updates, curve_index, network, task, optimizer
        ),
    )

    # The branches on the chunk are outside the one above because they are the same for
    # all lanes: inside, vmap would turn them into selections and compute the scores
    # after every chunk.
    is_last = (chunk + 1) * UPDATES_PER_CHUNK >= updates
    if OPTIMIZERS[optimizer].evaluated is not None:
        variables = lax.cond(
            is_last, lambda: _evaluated(state, optimizer), lambda: state.variables
        )
        state = state._replace(variables=variables)

    def scores() -> dict[str, jax.Array]:
        return unless_done(
            state.done,
            state.scores,
            lambda: _scores(network, task, state.variables, state.data),
        )

    return state._replace(scores=lax.cond(is_last, scores, lambda: state.scores))


def _train_chunk(
    lane: State,
    chunk: jax.Array,
    updates: jax.Array,
    curve_index: jax.Array,
    network: networks.Network,
    task: Task,
    optimizer: str,
) -> State:
    first = chunk * UPDATES_PER_CHUNK
    count = jnp.minimum(UPDATES_PER_CHUNK, updates - first)
    numbers = lane.hyperparameters
    trained, variables_of = _trained(optimizer, lane.variables)
    transformation = _transformation(optimizer, numbers)
    own_decay = "weight_decay" in OPTIMIZERS[optimizer].hyperparameters
    keep_state = OPTIMIZERS[optimizer].evaluated is not None

    def step(
        state: updates_lib.TrainState, k: jax.Array, live: jax.Array | None
    ) -> tuple[updates_lib.TrainState, jax.Array]:
        batch = task.sample(lane.data, jax.random.fold_in(lane.key, first + k))

        def loss(trained: Any) -> jax.Array:
            variables = variables_of(trained)
            return task.loss(forward(network, variables, task, batch.x), batch)

        rate = numbers.learning_rate * (1 - (first + k) / updates) ** numbers.decay
        after, value = updates_lib.step(
            state,
            first + k,
            loss,
            transformation,
            rate,
            clip=numbers.clip,
            weight_decay=None if own_decay else numbers.weight_decay,
            live=live,
        )
        if keep_state and live is not None:
            opt_state = jax.tree.map(
                lambda old, new: jnp.where(live, new, old),
                state.opt_state,
                after.opt_state,
            )
            after = after._replace(opt_state=opt_state)
        return after, value

    state = updates_lib.TrainState(trained, lane.opt_state, lane.diverged)
    state, mean_loss = updates_lib.chunk(state, count, UPDATES_PER_CHUNK, step)
    return lane._replace(
        variables=variables_of(state.params),
        opt_state=state.opt_state,
        diverged=state.diverged,
        train_losses=lane.train_losses.at[curve_index].set(mean_loss),
        done=state.diverged >= 0,
    )


def _trained(
    optimizer: str, variables: Variables
) -> tuple[Any, Callable[[Any], Variables]]:
    """What the optimizer trains, a vector if it can be, and the way back."""
    if OPTIMIZERS[optimizer].by_matrix:
        return variables, lambda trained: trained
    return flatten_util.ravel_pytree(variables)


def _evaluated(lane: State, optimizer: str) -> Variables:
    """The variables of the trained network, unless the lane is done."""
    trained, variables_of = _trained(optimizer, lane.variables)
    evaluated = OPTIMIZERS[optimizer].evaluated
    assert evaluated is not None
    variables = variables_of(evaluated(lane.opt_state, trained))
    return jax.tree.map(
        lambda old, new: jnp.where(lane.done, old, new), lane.variables, variables
    )


def _transformation(
    name: str, hyperparameters: Hyperparameters
) -> optax.GradientTransformation:
    """The optimizer with those of its own hyperparameters that are given."""
    optimizer, given = OPTIMIZERS[name], hyperparameters._asdict()
    return optimizer.make(
        {key: given.get(key, default) for key, default in optimizer.defaults.items()}
    )


def _scores(
    network: networks.Network, task: Task, variables: Variables, data: Data
) -> dict[str, jax.Array]:
    """The scores of a network on the test batch, float32."""
    batch = task.test_batch(data, _test_key(), TEST_BATCH)
    scores = task.score(forward(network, variables, task, batch.x), batch)
    return {name: jnp.float32(score) for name, score in scores.items()}


def _test_key() -> jax.Array:
    return jax.random.fold_in(jax.random.key(ROOT_SEED), TEST_SEED)


@functools.lru_cache(maxsize=8)
def _references(task: Task) -> Row:
    """What is known of the best possible loss on the test batch; see `Task`."""
    return task.references(_test_key(), TEST_BATCH)
