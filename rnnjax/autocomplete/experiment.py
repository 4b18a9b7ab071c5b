"""The experiment: a network names the word being typed at every character, as a lane (nearForm 2018; Madsen, Distill 2019).

The loss is the softmax cross-entropy in nats a scored position, Adam without clipping makes the updates, and every epoch goes
through the training windows in an order of its own. A lane is one seed: its weights and its orders.
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from rnnjax import networks
from rnnjax.autocomplete import softmax
from rnnjax.engine import updates as updates_lib
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.optimizers import OPTIMIZERS
from rnnjax.text import windows

LETTERS = windows.CHARACTERS - 1  # what can be read: padding is not
UPDATES = 10  # in a chunk
CURVE = 200  # most points of the training loss that are kept
MOST_TYPED = 12  # letters typed that are told apart; more count as so many
TOP = 3
ROOT = 20180000
ADAM = OPTIMIZERS["adam"]
OPTIMIZER = ADAM.make(ADAM.defaults)


class Lane(NamedTuple):
    done: jax.Array  # bool
    variables: dict
    opt_state: optax.OptState
    losses: jax.Array  # [CURVE], mean over the updates of a chunk; the last of the chunks that share a place
    validation: jax.Array  # [points, MOST_TYPED + 1, 3 + TOP], see `_look`
    test: jax.Array  # [MOST_TYPED + 1, 3 + TOP]
    diverged: jax.Array  # int32, update at which the loss was not finite; -1


@dataclasses.dataclass(frozen=True, eq=False)
class Autocomplete:
    """The experiment for one network on one text; see `lanes.Experiment`.

    `points` times along the way, at even distances and at the end, the validation windows are looked at; at the end, the test
    windows. At most `judged` windows of either are.
    """

    network: networks.Network
    text: windows.Windows
    updates: int
    batch: int = 64
    learning_rate: float = 1e-3
    points: int = 10
    judged: int = 10**9
    labels: dict = dataclasses.field(default_factory=dict)

    @property
    def chunks(self) -> int:
        return math.ceil(self.updates / UPDATES)

    @functools.cached_property
    def split(self) -> windows.Split:
        return windows.split(len(self.text))

    @property
    def epoch(self) -> int:
        """Updates that see every training window once; what is left over waits for another epoch."""
        return len(self.split.train) // self.batch

    @property
    def looks(self) -> list[int]:
        """The chunks after which the validation windows are looked at."""
        return sorted(
            {
                math.ceil(k * self.chunks / self.points) - 1
                for k in range(1, self.points + 1)
            }
        )

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ):
        begin = mesh.map_lanes(_begin, network=self.network, looks=len(self.looks))
        return _Run(begin(mesh.place((seeds, valid)), ()), seeds, valid)

    def advance(self, mesh: Mesh, run: "_Run", chunk: int) -> "_Run":
        first = chunk * UPDATES
        count = min(UPDATES, self.updates - first)
        batches = [
            self._batches(seed, first, count) if go else None
            for seed, go in zip(run.seeds, run.live)
        ]
        some = next(batch for batch in batches if batch is not None)
        arrays = mesh.place(
            tuple(
                np.stack([(some if batch is None else batch)[k] for batch in batches])
                for k in range(3)
            )
        )
        train = mesh.map_lanes(_train, network=self.network)
        place = updates_lib.curve_index(chunk, self.chunks, CURVE)
        shared = (
            np.int32(first),
            np.int32(count),
            np.int32(place),
            np.float32(self.learning_rate),
        )
        lane = train((run.lane, *arrays), shared)
        if chunk in self.looks:
            look = self.looks.index(chunk)
            found = self._judge(mesh, lane, self.split.validation)
            lane = lane._replace(validation=lane.validation.at[:, look].set(found))
        if chunk == self.chunks - 1:
            lane = lane._replace(test=self._judge(mesh, lane, self.split.test))
        return run._replace(lane=lane)

    def done(self, run: "_Run") -> jax.Array:
        return run.lane.done

    def _batches(self, seed: int, first: int, count: int) -> tuple[np.ndarray, ...]:
        """Sources, targets and weights `[UPDATES, B, T]` of the updates from `first` on; only `count` of them are real."""
        numbers = []
        for update in range(first, first + count):
            epoch, place = divmod(update, self.epoch)
            numbers.append(
                _order(self.split.train.tobytes(), int(seed), epoch)[
                    place * self.batch : (place + 1) * self.batch
                ]
            )
        numbers += [numbers[-1]] * (UPDATES - count)
        gathered = self.text.gather(np.concatenate(numbers))
        return tuple(array.reshape(UPDATES, self.batch, -1) for array in gathered[:3])

    def _judge(self, mesh: Mesh, lane: Lane, numbers: np.ndarray) -> jax.Array:
        """The `tally` of these windows for every lane, `[L, ...]`."""
        look = mesh.map_lanes(_look, network=self.network)
        total = 0.0
        for some in np.array_split(
            numbers[: self.judged],
            math.ceil(min(self.judged, len(numbers)) / self.batch),
        ):
            padded = np.resize(some, self.batch)
            gathered = self.text.gather(padded)
            counts = (np.arange(self.batch) < len(some))[:, None] * gathered.weight
            inside = (np.arange(self.batch) < len(some))[:, None] * np.ones_like(
                gathered.weight
            )
            total = total + look(
                (lane,),
                (gathered.source, gathered.target, counts, gathered.typed, inside),
            )
        return total

    def finish(self, run: "_Run", lane: int) -> dict:
        state = jax.tree.map(lambda leaf: leaf[lane], run.lane)
        diverged = int(state.diverged)
        variables = state.variables["params"]
        sizes = {
            name: sum(leaf.size for leaf in jax.tree.leaves(variables[name]))
            for name in ("embed", "cell", "readout")
        }
        row = {
            **self.labels,
            "input_size": LETTERS,
            "hidden_size": self.network.hidden_size,
            "layers": networks.layer_count(self.network.cell),
            "parameters": sum(sizes.values()),
            "parameters_embedding": sizes["embed"],
            "parameters_recurrent": sizes["cell"],
            "parameters_dense": sizes["readout"],
            "words": self.text.vocabulary.classes,
            "updates": self.updates,
            "epoch": self.epoch,
            "batch": self.batch,
            "learning_rate": self.learning_rate,
            "status": "diverged" if diverged >= 0 else "trained",
            "diverged_update": diverged if diverged >= 0 else None,
        }
        row |= {f"test_{name}": value for name, value in measures(state.test).items()}
        looked = [measures(tally) for tally in state.validation]
        row |= {
            "valid_updates": [
                min((chunk + 1) * UPDATES, self.updates) for chunk in self.looks
            ]
        }
        row |= {
            "valid_losses": [look["loss"] for look in looked],
            "valid_top1": [look["top1"] for look in looked],
        }
        row |= {"test_windows": min(self.judged, len(self.split.test))}
        row |= {
            "losses": [
                updates_lib.number(x) for x in state.losses[: min(CURVE, self.chunks)]
            ]
        }
        by_letters = [measures(state.test[k]) for k in range(MOST_TYPED + 1)]
        return row | {
            f"test_{name}_by_letters": [m[name] for m in by_letters]
            for name in ("loss", "top1", "top2", "top3")
        }


class _Run(NamedTuple):
    """The state of a group, and what the host needs to know of its slots."""

    lane: Lane
    seeds: np.ndarray
    live: np.ndarray


def measures(tally: np.ndarray) -> dict[str, float | None]:
    """Loss in nats a scored position, and the shares of scored positions whose word is the likeliest, or among the 2 or 3.

    `top1_of_all` is the share of all positions, padding and unknown words among them, as the published work counts. `tally`
    is `[3 + TOP]` as `_look` gives it, or more of them to be added up.
    """
    positions, loss, *hits, places = (
        np.asarray(tally, np.float64).reshape(-1, 3 + TOP).sum(axis=0)
    )
    if not positions or not np.isfinite(loss):
        return dict.fromkeys(
            ["loss", *(f"top{k + 1}" for k in range(TOP)), "top1_of_all"]
        )
    shares = {f"top{k + 1}": float(hit / positions) for k, hit in enumerate(hits)}
    return {
        "loss": float(loss / positions),
        **shares,
        "top1_of_all": float(hits[0] / places),
    }


@functools.lru_cache(maxsize=64)
def _order(train: bytes, seed: int, epoch: int) -> np.ndarray:
    """The training windows in the order in which a seed goes through them in an epoch."""
    return np.random.default_rng([ROOT, seed, epoch]).permutation(
        np.frombuffer(train, np.int64)
    )


def hidden(network: networks.Network, variables, source: jax.Array) -> jax.Array:
    """What the top layer puts out, y `[T, B, H]`, for characters `source` [B, T]; 0 is padding."""
    return hidden_of(
        network, variables, jax.nn.one_hot(source.T.astype(jnp.int32) - 1, LETTERS)
    )


def hidden_of(network: networks.Network, variables, shown: jax.Array) -> jax.Array:
    """What the top layer puts out, y `[T, B, H]`, for characters one-hot `[T, B, LETTERS]`; padding is all zeros.

    All that the first layer reads of a character is a row of a table of as many rows as there are letters, so the whole sequence
    is projected as one product with that table.
    """
    table = network.apply(variables, jnp.arange(LETTERS), method="project")
    z = jax.tree.map(lambda rows: shown @ rows, table)
    return networks.unroll_layers(network, variables, z)


def loss(network: networks.Network, variables, source, target, weight) -> jax.Array:
    """Cross-entropy in nats a scored position of windows `[B, T]`."""
    y = hidden(network, variables, source)
    kernel, bias = networks.readout(variables)
    total, count = softmax.cross_entropy(
        y.reshape(-1, y.shape[-1]),
        kernel,
        bias,
        target.T.reshape(-1),
        weight.T.reshape(-1),
    )
    return total / jnp.maximum(count, 1)


def _begin(seed, live, *, network, looks) -> Lane:
    key = jax.random.fold_in(jax.random.key(ROOT, impl="threefry2x32"), seed)
    variables = networks.initialize(network, key)
    empty = jnp.full((MOST_TYPED + 1, 3 + TOP), jnp.nan)
    return Lane(
        done=~live,
        variables=variables,
        opt_state=OPTIMIZER.init(variables),
        losses=jnp.full(CURVE, jnp.nan),
        validation=jnp.broadcast_to(empty, (looks, *empty.shape)),
        test=empty,
        diverged=jnp.int32(updates_lib.NOT_DIVERGED),
    )


def _train(
    lane: Lane, sources, targets, weights, first, count, place, rate, *, network
) -> Lane:
    return lax.cond(
        lane.done,
        lambda: lane,
        lambda: _live_train(
            lane, sources, targets, weights, first, count, place, rate, network
        ),
    )


def _live_train(
    lane, sources, targets, weights, first, count, place, rate, network
) -> Lane:
    def step(state, k):
        batch = sources[k], targets[k], weights[k]
        return updates_lib.step(
            state, first + k, lambda v: loss(network, v, *batch), OPTIMIZER, rate
        )

    state = updates_lib.TrainState(lane.variables, lane.opt_state, lane.diverged)
    state, mean_loss = updates_lib.chunk(state, count, step)
    return lane._replace(
        variables=state.params,
        opt_state=state.opt_state,
        diverged=state.diverged,
        losses=lane.losses.at[place].set(mean_loss),
        done=state.diverged >= 0,
    )


def _look(lane: Lane, source, target, weight, typed, inside, *, network) -> jax.Array:
    """By letters typed: scored positions, their loss, hits at 1 to TOP, and all places, `[MOST_TYPED + 1, 3 + TOP]`."""

    def live():
        y = hidden(network, lane.variables, source)
        flat = [array.T.reshape(-1) for array in (target, weight, typed, inside)]
        kernel, bias = networks.readout(lane.variables)
        losses, likelier = softmax.ranks(
            y.reshape(-1, y.shape[-1]), kernel, bias, *flat[:2]
        )
        hits = [flat[1] * (likelier < k) for k in range(1, TOP + 1)]
        columns = jnp.stack([flat[1], losses * flat[1], *hits, flat[3]], axis=1)
        return jax.ops.segment_sum(
            columns, jnp.minimum(flat[2].astype(jnp.int32), MOST_TYPED), MOST_TYPED + 1
        )

    return lax.cond(
        lane.done, lambda: jnp.full((MOST_TYPED + 1, 3 + TOP), jnp.nan), live
    )
