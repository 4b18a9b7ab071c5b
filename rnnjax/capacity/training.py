"""The experiment: one training of one network on one task, as a lane.

The gradient of the task's own loss is clipped to a length and handed to an optimiser; then

    v <- v - rate_k (direction + weight_decay v),    rate_k = learning_rate (1 - k / updates)^decay.

All of a lane's settings but the optimiser's kind are traced, so one program trains a population of settings. A lane whose loss or
gradient stops being finite is marked with the update and trains no further. All of this happens inside the lane.
"""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import flatten_util, lax

from rnnjax import networks
from rnnjax.engine import updates as updates_lib
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.optimizers import OPTIMIZERS
from rnnjax.tasks.task import Task

UPDATES = 250  # in a chunk
TEST_BATCH = 2048
CURVE = 64  # most points of a training's loss that are kept
ROOT = 20170000


class Hyperparameters(NamedTuple):
    """The numbers of one training, each of them traced, so lanes may differ in them.

    `samples` is how many samples of a fixed data set are used; tasks that draw fresh
    data ignore it, as cells without a keep bias ignore `keep_bias`.
    """

    learning_rate: float = 3e-3
    decay: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip: float = 1.0
    kernel_gain: float = 1.0
    recurrent_gain: float = 1.0
    readout_gain: float = 1.0
    keep_bias: float = 0.0
    samples: float = 0.0


class Lane(NamedTuple):
    done: jax.Array  # bool
    key: jax.Array  # of the updates
    settings: Hyperparameters
    data: object  # drawn once
    variables: dict
    opt_state: optax.OptState
    losses: jax.Array  # [CURVE], mean over the updates of a chunk; the last of the chunks that share a place
    scores: dict[str, jax.Array]  # NaN until the end
    diverged: (
        jax.Array
    )  # int32, update at which the loss or the gradient was not finite; -1


@dataclasses.dataclass(frozen=True)
class Training:
    """The experiment for one network and one task; see `lanes.Experiment`.

    Lane k is trained with `hyperparameters[k]`; with a single entry, all lanes are.
    """

    network: networks.Network
    task: Task
    updates: int = 4000
    hyperparameters: tuple[Hyperparameters, ...] = (Hyperparameters(),)
    optimizer: str = "adam"
    gains: tuple[str, ...] = (
        "kernel_gain",
        "recurrent_gain",
        "readout_gain",
    )  # the settings that the network takes
    labels: dict = dataclasses.field(default_factory=dict)

    @property
    def chunks(self) -> int:
        return math.ceil(self.updates / UPDATES)

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ) -> Lane:
        columns = Hyperparameters(
            *(
                np.asarray(column, np.float32)[lane_indices % len(column)]
                for column in zip(*self.hyperparameters)
            )
        )
        static = {
            "network": self.network,
            "task": self.task,
            "optimizer": self.optimizer,
        }
        begin = mesh.map_lanes(_begin, gains=self.gains, **static)
        return begin(mesh.place((seeds, valid, columns)), ())

    def advance(self, mesh: Mesh, state: Lane, chunk: int) -> Lane:
        train = mesh.map_lanes(
            _train, network=self.network, task=self.task, optimizer=self.optimizer
        )
        place = updates_lib.curve_index(chunk, self.chunks, CURVE)
        shared = np.int32(chunk), np.int32(self.updates), np.int32(place)
        return train((state,), shared)

    def done(self, state: Lane) -> jax.Array:
        return state.done

    def finish(self, state: Lane, lane: int) -> dict:
        diverged = int(state.diverged[lane])
        scores = {
            name: updates_lib.number(score[lane])
            for name, score in state.scores.items()
        }
        if diverged < 0 and None in scores.values():
            diverged = self.updates
        values = {
            name: float(column[lane])
            for name, column in state.settings._asdict().items()
        }
        objective = scores[self.task.objective]
        if objective is not None and not self.task.maximize:
            objective = -objective
        return {
            **self.labels,
            "hidden_size": self.network.hidden_size,
            "layers": networks.layer_count(self.network.cell),
            "parameters": sum(
                leaf[lane].size for leaf in jax.tree.leaves(state.variables)
            ),
            "updates": self.updates,
            "optimizer": self.optimizer,
            **values,
            "samples": int(values["samples"]),
            "status": "diverged" if diverged >= 0 else "trained",
            "diverged_update": diverged if diverged >= 0 else None,
            **(scores if diverged < 0 else dict.fromkeys(scores)),
            "score": objective if diverged < 0 else None,
            "objective": self.task.objective,
            "scores": list(scores),
            "chance": self.task.chance,
            "loss_bound": self.task.loss_bound(self.network.hidden_size),
            "loss_name": self.task.loss_name,
            "train_losses": [
                updates_lib.number(x)
                for x in state.losses[lane][: min(CURVE, self.chunks)]
            ],
        }


def forward(
    network: networks.Network, variables, task: Task, x: jax.Array
) -> jax.Array:
    """What the task asks for, given inputs x `[T, B, ...]`, from the initial state.

    Outputs `[T + silence, B, O]` if it asks at every step, else those after the last, `[B, O]`.
    """
    z = network.apply(variables, x, method="project")
    blank = None
    if task.blank_steps:
        blank = network.apply(variables, jnp.zeros_like(x[0, 0]), method="project")
    y = networks.unroll_layers(network, variables, z, blank, task.blank_steps)
    return network.apply(variables, y if task.every_step else y[-1], method="read")


def _begin(
    seed, live, settings: Hyperparameters, *, network, task, optimizer, gains
) -> Lane:
    root = jax.random.fold_in(jax.random.key(ROOT, impl="threefry2x32"), seed)
    weights, updates, drawn = (jax.random.fold_in(root, k) for k in range(3))
    numbers = {name: getattr(settings, name) for name in gains}
    variables = networks.initialize(
        network.with_options(**numbers), weights, task.input_size
    )
    data = task.make_data(drawn, settings.samples)
    scores = jax.eval_shape(lambda: _scores(network, task, variables, data))
    return Lane(
        done=~live,
        key=updates,
        settings=settings,
        data=data,
        variables=variables,
        opt_state=_optimizer(optimizer, settings).init(
            flatten_util.ravel_pytree(variables)[0]
        ),
        losses=jnp.full(CURVE, jnp.nan),
        scores={name: jnp.float32(jnp.nan) for name in scores},
        diverged=jnp.int32(updates_lib.NOT_DIVERGED),
    )


def _train(lane: Lane, chunk, updates, place, *, network, task, optimizer) -> Lane:
    lane = lax.cond(
        lane.done,
        lambda: lane,
        lambda: _live_train(lane, chunk, updates, place, network, task, optimizer),
    )

    def scores():
        return lax.cond(
            lane.done,
            lambda: lane.scores,
            lambda: _scores(network, task, lane.variables, lane.data),
        )

    # Not within the lane's own branch: of lanes that advance together, every chunk would compute them.
    return lane._replace(
        scores=lax.cond((chunk + 1) * UPDATES >= updates, scores, lambda: lane.scores)
    )


def _live_train(lane: Lane, chunk, updates, place, network, task, optimizer) -> Lane:
    first = chunk * UPDATES
    count = jnp.minimum(UPDATES, updates - first)
    settings = lane.settings

    flat, unravel = flatten_util.ravel_pytree(lane.variables)
    transformation = _optimizer(optimizer, settings)

    def step(state, k):
        batch = task.sample(lane.data, jax.random.fold_in(lane.key, first + k))

        def loss(flat):
            return task.loss(forward(network, unravel(flat), task, batch.x), batch)

        rate = settings.learning_rate * (1 - (first + k) / updates) ** settings.decay
        return updates_lib.step(
            state,
            first + k,
            loss,
            transformation,
            rate,
            clip=settings.clip,
            weight_decay=settings.weight_decay,
        )

    state = updates_lib.TrainState(flat, lane.opt_state, lane.diverged)
    state, mean_loss = updates_lib.chunk(state, count, step)
    return lane._replace(
        variables=unravel(state.params),
        opt_state=state.opt_state,
        diverged=state.diverged,
        losses=lane.losses.at[place].set(mean_loss),
        done=state.diverged >= 0,
    )


def _optimizer(name: str, settings: Hyperparameters) -> optax.GradientTransformation:
    return OPTIMIZERS[name].make({"momentum": settings.momentum})


def _scores(network, task, variables, data) -> dict[str, jax.Array]:
    """What the trained network scores, float32."""
    batch = task.test_batch(
        data, jax.random.fold_in(jax.random.key(ROOT), 2**31 - 1), TEST_BATCH
    )
    scores = task.score(forward(network, variables, task, batch.x), batch)
    return {name: jnp.float32(score) for name, score in scores.items()}
