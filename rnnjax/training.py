"""The experiment: one training of one network on one task, as a lane.

Adam (Kingma and Ba 2015) on the task's own loss, the learning rate falling linearly to 0, the gradient clipped to a length; the
learning rate and the clip are traced. A lane whose loss or gradient stops being finite is marked with the update and trains no
further; what it had learned before is kept. All of this happens inside the lane.
"""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from rnnjax import lanes, networks, unroll

UPDATES = 250  # in a chunk
TEST_BATCH = 2048
ROOT = 20170000


class Lane(NamedTuple):
    done: jax.Array  # bool
    key: jax.Array  # of the samples
    learning_rate: jax.Array
    clip: jax.Array
    variables: dict
    moments: optax.OptState
    losses: jax.Array  # [chunks], mean over the updates of a chunk
    diverged: jax.Array  # int32, update at which the loss or the gradient was not finite; -1


@dataclasses.dataclass(frozen=True)
class Training:
    """The experiment for one network and one task; see `lanes.Experiment`."""

    network: networks.Network
    task: object
    updates: int = 4000
    learning_rate: float = 3e-3
    clip: float = 1.0
    labels: dict = dataclasses.field(default_factory=dict)

    @property
    def chunks(self) -> int:
        return math.ceil(self.updates / UPDATES)

    def init(self, mesh: lanes.Mesh, seeds: np.ndarray, live: np.ndarray) -> Lane:
        numbers = [np.full(len(seeds), number, np.float32) for number in (self.learning_rate, self.clip)]
        begin = mesh.each(_begin, network=self.network, task=self.task, chunks=self.chunks)
        return begin(mesh.place((seeds, live, *numbers)), ())

    def advance(self, mesh: lanes.Mesh, state: Lane, chunk: int) -> Lane:
        train = mesh.each(_train, network=self.network, task=self.task)
        return train((state,), (np.int32(chunk), np.int32(self.updates)))

    def done(self, state: Lane) -> jax.Array:
        return state.done

    def finish(self, state: Lane, lane: int) -> dict:
        diverged = int(state.diverged[lane])
        variables = jax.tree.map(lambda leaf: leaf[lane], state.variables)
        loss = float(_test(self.network, self.task, variables))
        count = sum(leaf.size for leaf in jax.tree.leaves(variables))
        return {
            **self.labels,
            "hidden_size": self.network.hidden_size,
            "layers": networks.layer_count(self.network.cell),
            "parameters": count,
            "updates": self.updates,
            "learning_rate": self.learning_rate,
            "status": "diverged" if diverged >= 0 else "trained",
            "diverged_update": diverged if diverged >= 0 else None,
            "loss": loss if math.isfinite(loss) else None,
            "chance": self.task.chance,
            "measure": self.task.measure,
            "losses": [float(x) if np.isfinite(x) else None for x in state.losses[lane]],
        }


def forward(network: networks.Network, variables, x: jax.Array) -> jax.Array:
    """Outputs `[T, B, O]` for inputs x `[T, B, ...]`, from the initial state."""
    z = network.apply(variables, x, method="project")
    carry = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (x.shape[1], *leaf.shape)), network.apply(variables, method="initial_carry")
    )
    _, y = unroll.unroll(lambda carry, row: network.apply(variables, carry, row, method="step"), carry, z)
    return network.apply(variables, y, method="read")


def _begin(seed, live, learning_rate, clip, *, network, task, chunks) -> Lane:
    root = jax.random.fold_in(jax.random.key(ROOT, impl="threefry2x32"), seed)
    weights, samples = (jax.random.fold_in(root, k) for k in range(2))
    variables = networks.initialize(network, weights, task.input_size)
    return Lane(
        done=~live,
        key=samples,
        learning_rate=learning_rate,
        clip=clip,
        variables=variables,
        moments=optax.scale_by_adam().init(variables),
        losses=jnp.full(chunks, jnp.nan),
        diverged=jnp.int32(-1),
    )


def _train(lane: Lane, chunk, updates, *, network, task) -> Lane:
    return lax.cond(lane.done, lambda: lane, lambda: _live_train(lane, chunk, updates, network, task))


def _live_train(lane: Lane, chunk, updates, network, task) -> Lane:
    first = chunk * UPDATES
    count = jnp.minimum(UPDATES, updates - first)

    def update(k, state):
        lane, total = state
        batch = task.sample(jax.random.fold_in(lane.key, first + k))
        loss, gradient = jax.value_and_grad(lambda v: task.loss(forward(network, v, batch.x), batch))(lane.variables)
        norm = unroll.global_norm(gradient)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        gradient = jax.tree.map(lambda leaf: leaf * jnp.minimum(1.0, lane.clip / jnp.maximum(norm, 1e-12)), gradient)
        direction, moments = optax.scale_by_adam().update(gradient, lane.moments)
        rate = lane.learning_rate * (1 - (first + k) / updates)
        variables = jax.tree.map(lambda leaf, change: leaf - rate * change, lane.variables, direction)
        go = finite & (lane.diverged < 0)
        kept, old = (variables, moments), (lane.variables, lane.moments)
        variables, moments = jax.tree.map(lambda new, before: jnp.where(go, new, before), kept, old)
        diverged = jnp.where(finite | (lane.diverged >= 0), lane.diverged, first + k)
        return lane._replace(variables=variables, moments=moments, diverged=diverged), total + loss

    lane, total = lax.fori_loop(0, count, update, (lane, jnp.float32(0)))
    return lane._replace(losses=lane.losses.at[chunk].set(total / count), done=lane.diverged >= 0)


def _test(network, task, variables) -> jax.Array:
    batch = task.sample(jax.random.fold_in(jax.random.key(ROOT), 2**31 - 1), TEST_BATCH)
    return _test_loss(network, task, variables, batch)


def _loss(network, task, variables, batch):
    return task.loss(forward(network, variables, batch.x), batch)


_test_loss = jax.jit(_loss, static_argnums=(0, 1))
