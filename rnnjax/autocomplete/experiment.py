"""The experiment: a network learns to name the word at every character, as a lane.

(nearForm 2018; Madsen, Distill 2019.) The loss is the softmax cross-entropy in nats a
scored position; updates are made without clipping. A lane is one seed: its weights, and
the order in which it sees the training windows.
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

from rnnjax import networks
from rnnjax.autocomplete import connectivity, evaluation, model, regret
from rnnjax.autocomplete.data import ROOT_SEED, Dataset
from rnnjax.cells.cell import Variables
from rnnjax.engine import updates as updates_lib
from rnnjax.engine.mesh import Mesh, unless_done
from rnnjax.engine.optimizers import OPTIMIZERS
from rnnjax.results.schema import Row

UPDATES_PER_CHUNK = 10
PROBED_UPDATES = 2
NUM_EVALS = 10
CURVE = 200  # numbers of the training loss that are kept, at most


class Lane(NamedTuple):
    """The state of one lane.

    `training` has the network's variables as its `params`. `train_losses` [CURVE] are
    means over the updates of a chunk, see `updates.curve_index`. `validation`
    [E, *SUMS], for E evaluations, and `test` [*SUMS] are sums as in `evaluation`, and
    NaN before they are computed.
    """

    done: jax.Array
    training: updates_lib.TrainState
    train_losses: jax.Array
    validation: jax.Array
    test: jax.Array


class State(NamedTuple):
    """The state of a group: lanes `[L, ...]` on devices and their seeds on the host."""

    lanes: Lane
    seeds: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Autocomplete:
    """The experiment for one network on one text; see `lanes.Experiment`.

    Attributes:
      network: a network from `model.build`.
      dataset: the windows of the text.
      updates: the number of updates.
      batch: training windows of an update.
      learning_rate: the learning rate, the same for all updates.
      optimizer: a name in `engine.optimizers.OPTIMIZERS`.
      num_evals: how many times the validation windows are evaluated, at equal distances
        and at the end. The test windows are evaluated at the end.
      max_eval_windows: the number of validation windows, and of test windows, that are
        evaluated; None for all.
      connectivity_windows: the number of test windows of which the connectivity is
        computed at the end; with 0, rows have no keys of it.
      labels: more keys of each row.
    """

    network: networks.Network
    dataset: Dataset
    updates: int
    batch: int = 64
    learning_rate: float = 1e-3
    optimizer: str = "adam"
    num_evals: int = NUM_EVALS
    max_eval_windows: int | None = None
    connectivity_windows: int = 0
    labels: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def chunks(self) -> int:
        return math.ceil(self.updates / UPDATES_PER_CHUNK)

    @functools.cached_property
    def eval_chunks(self) -> list[int]:
        """The chunks after which the validation windows are evaluated."""
        ends = (k * self.chunks / self.num_evals for k in range(1, self.num_evals + 1))
        return sorted({math.ceil(end) - 1 for end in ends})

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ) -> State:
        init = mesh.map_lanes(
            _init,
            network=self.network,
            optimizer=self.optimizer,
            num_evals=len(self.eval_chunks),
        )
        return State(init(mesh.place((seeds, valid)), ()), seeds)

    def advance(self, mesh: Mesh, state: State, chunk: int) -> State:
        first = chunk * UPDATES_PER_CHUNK
        count = min(UPDATES_PER_CHUNK, self.updates - first)
        train = mesh.map_lanes(_train, network=self.network, optimizer=self.optimizer)
        shared = (
            np.int32(first),
            np.int32(count),
            np.int32(updates_lib.curve_index(chunk, self.chunks, CURVE)),
            np.float32(self.learning_rate),
        )
        batches = mesh.place(self._batches(state.seeds, first, count))
        lanes = train((state.lanes, *batches), shared)
        if chunk in self.eval_chunks:
            sums = self._evaluate(mesh, lanes, self.dataset.split.validation)
            index = self.eval_chunks.index(chunk)
            lanes = lanes._replace(validation=lanes.validation.at[:, index].set(sums))
        if chunk == self.chunks - 1:
            sums = self._evaluate(mesh, lanes, self.dataset.split.test)
            lanes = lanes._replace(test=sums)
        return state._replace(lanes=lanes)

    def probe(self, mesh: Mesh, state: State) -> State:
        """The state after a training of a few updates; see `engine.trust`."""
        short = dataclasses.replace(
            self, updates=PROBED_UPDATES, max_eval_windows=self.batch
        )
        return short.advance(mesh, state, 0)

    def done(self, state: State) -> jax.Array:
        return state.lanes.done

    def _batches(
        self, seeds: np.ndarray, first: int, count: int
    ) -> tuple[np.ndarray, ...]:
        """Sources, targets and weights `[L, UPDATES_PER_CHUNK, B, T]` of some updates.

        Only `count` of the updates are real.
        """
        by_seed = {
            seed: self._batches_of_seed(seed, first, count)
            for seed in set(seeds.tolist())
        }
        lanes = [by_seed[seed] for seed in seeds.tolist()]
        return tuple(np.stack(arrays) for arrays in zip(*lanes))

    def _batches_of_seed(
        self, seed: int, first: int, count: int
    ) -> tuple[np.ndarray, ...]:
        indices = [
            self.dataset.batch_indices(seed, update, self.batch)
            for update in range(first, first + count)
        ]
        indices += [indices[-1]] * (UPDATES_PER_CHUNK - count)
        gathered = self.dataset.windows.gather(np.concatenate(indices))
        shape = (UPDATES_PER_CHUNK, self.batch, -1)
        return tuple(array.reshape(shape) for array in gathered[:3])

    def _evaluate(self, mesh: Mesh, lanes: Lane, indices: np.ndarray) -> jax.Array:
        return evaluation.evaluate(
            mesh,
            self.network,
            lanes.done,
            lanes.training.params,
            self.dataset.windows,
            indices[: self.max_eval_windows],
            self.batch,
        )

    def finish(self, state: State, lane: int) -> Row:
        """The row of one lane; `schema` explains its keys."""
        own = lane_state(state, lane)
        diverged = int(own.training.diverged)
        sizes = _parameter_counts(own.training.params)
        row = {
            **self.labels,
            "input_size": model.LETTERS,
            "hidden_size": self.network.hidden_size,
            "layers": networks.layer_count(self.network),
            "parameters": sum(sizes.values()),
            "parameters_embedding": sizes["embed"],
            "parameters_recurrent": sizes["cell"],
            "parameters_dense": sizes["readout"],
            "classes": self.dataset.classes,
            "updates": self.updates,
            "updates_per_epoch": self.dataset.updates_per_epoch(self.batch),
            "batch": self.batch,
            "learning_rate": self.learning_rate,
            "status": "diverged" if diverged >= 0 else "trained",
            "diverged_update": diverged if diverged >= 0 else None,
            "train_losses": [
                updates_lib.number(loss)
                for loss in own.train_losses[: min(CURVE, self.chunks)]
            ],
        }
        row |= self._validation(own) | self._test(own)
        if self.connectivity_windows and diverged < 0:
            indices = self.dataset.split.test[: self.connectivity_windows]
            row |= connectivity.measure(
                self.network, own.training.params, self.dataset.windows, indices
            )
        if self.dataset.source is not None:
            row |= self._regret(own, diverged < 0)
        return row

    def _regret(self, own: Lane, trained: bool) -> Row:
        row = regret.references(self.dataset, self.max_eval_windows)
        if trained:
            indices = self.dataset.split.test[: self.max_eval_windows]
            row |= regret.measure(
                self.network, own.training.params, self.dataset, indices, self.batch
            )
        return row

    def _validation(self, own: Lane) -> Row:
        metrics = [evaluation.metrics(sums) for sums in own.validation]
        return {
            "valid_updates": [
                min((chunk + 1) * UPDATES_PER_CHUNK, self.updates)
                for chunk in self.eval_chunks
            ],
            "valid_losses": [measured["loss"] for measured in metrics],
            "valid_top1": [measured["top1"] for measured in metrics],
        }

    def _test(self, own: Lane) -> Row:
        windows = self.dataset.split.test[: self.max_eval_windows]
        overall = evaluation.metrics(own.test)
        by_letters = [evaluation.metrics(sums) for sums in own.test]
        return {
            "test_windows": len(windows),
            **{f"test_{name}": value for name, value in overall.items()},
            **{
                f"test_{name}_by_letters": [measured[name] for measured in by_letters]
                for name in ("loss", "top1", "top2", "top3")
            },
        }


def lane_state(state: State, lane: int) -> Lane:
    """The state of one lane."""
    return jax.tree.map(lambda leaf: leaf[lane], state.lanes)


def _parameter_counts(variables: Variables) -> dict[str, int]:
    """The number of parameters of each part of a network."""
    return {
        name: sum(leaf.size for leaf in jax.tree.leaves(part))
        for name, part in variables["params"].items()
    }


def _make_optimizer(name: str) -> optax.GradientTransformation:
    optimizer = OPTIMIZERS[name]
    return optimizer.make(optimizer.defaults)


def _init(
    seed: jax.Array,
    valid: jax.Array,
    *,
    network: networks.Network,
    optimizer: str,
    num_evals: int,
) -> Lane:
    key = jax.random.fold_in(jax.random.key(ROOT_SEED, impl="threefry2x32"), seed)
    variables = networks.initialize(network, key)
    sums = evaluation.empty_sums()
    return Lane(
        done=~valid,
        training=updates_lib.init(variables, _make_optimizer(optimizer)),
        train_losses=jnp.full(CURVE, jnp.nan),
        validation=jnp.broadcast_to(sums, (num_evals, *sums.shape)),
        test=sums,
    )


def _train(
    lane: Lane,
    sources: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    first: jax.Array,
    count: jax.Array,
    curve_index: jax.Array,
    learning_rate: jax.Array,
    *,
    network: networks.Network,
    optimizer: str,
) -> Lane:
    """The lane after the updates `first` to `first + count` - 1 of its training.

    Update `first + k` has the batch `sources[k]`, `targets[k]`, `weights[k]`, `[B, T]`.
    """

    def step(
        state: updates_lib.TrainState, k: jax.Array, live: jax.Array | None
    ) -> tuple[updates_lib.TrainState, jax.Array]:
        def loss(variables: Variables) -> jax.Array:
            batch = sources[k], targets[k], weights[k]
            return model.loss(network, variables, *batch)

        transformation = _make_optimizer(optimizer)
        return updates_lib.step(
            state, first + k, loss, transformation, learning_rate, live=live
        )

    def trained() -> Lane:
        training, mean_loss = updates_lib.chunk(
            lane.training, count, UPDATES_PER_CHUNK, step
        )
        return lane._replace(
            done=training.diverged >= 0,
            training=training,
            train_losses=lane.train_losses.at[curve_index].set(mean_loss),
        )

    return unless_done(lane.done, lane, trained)
