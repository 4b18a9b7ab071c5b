"""Lanes: one lane is one seed at one point of the grid.

An experiment is written as functions of all lanes of a group, most of them made by
`Mesh.map_lanes` from a function of one lane. `run_group` holds the only loop over time
on the host: advance a chunk, stop when all lanes are done, report, save, repeat.

Lanes share nothing: a lane gives the same row, bit for bit, with any other lanes beside
it, on any number of devices, at equal inner width.
"""

import dataclasses
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.engine import compilations
from rnnjax.engine.mesh import Mesh
from rnnjax.results.schema import Row

State = Any  # a tree of arrays [L, ...]
Report = Callable[[float], None]
Stop = Callable[[], bool]

SAVE_SECONDS = 30.0  # between two states of a group that are kept


class Experiment(Protocol):
    """The functions of an experiment that `run` calls."""

    @property
    def chunks(self) -> int:
        """Chunks of a lane that is never done before its end."""

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ) -> State:
        """The state before the first chunk.

        Slot k of the state is lane `lane_indices[k]` of the group, whose seed is
        `seeds[k]`. Slots that are not `valid` are padding, and done from the start.
        """

    def advance(self, mesh: Mesh, state: State, chunk: int) -> State:
        """The state after chunk number `chunk`, from 0. Lanes that are done keep it."""

    def done(self, state: State) -> jax.Array:
        """Which lanes need no further chunk, bool `[L]`."""

    def finish(self, state: State, lane: int) -> Row:
        """The row of one lane, from a state of NumPy arrays."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Lanes of one shape: an experiment and its seeds.

    `cost` is the weight of the group in the progress of a run. A program is padded to
    at least `min_slots` lanes, so that groups of several sizes share it. `numbers` says
    about how many numbers each lane takes; 0 if unknown.
    """

    name: str
    experiment: Experiment
    seeds: tuple[int, ...]
    cost: float = 1.0
    min_slots: int | None = None
    numbers: int = 0


@dataclasses.dataclass(frozen=True)
class Result:
    """A group that has ended.

    `state` is the last state of its lanes on the host, arrays `[L, ...]` without
    padding; `timing` has `compile_seconds`, and `run_seconds` from `init` to the last
    chunk.
    """

    group: Group
    rows: list[Row]
    state: State
    timing: dict[str, float]


class StateStore(Protocol):
    """Keeps the states of unfinished groups, as lists of NumPy arrays `[L, ...]`."""

    def load(self, group: str) -> tuple[int, list[np.ndarray]] | None:
        """How many chunks were done, and the leaves of the state after them."""

    def save(self, group: str, chunks: int, leaves: list[np.ndarray]) -> None: ...


class Preempted(Exception):
    """A run was stopped after a chunk; its state is in the store, if it has one."""


def _ignore(cost: float) -> None:
    pass


def _never() -> bool:
    return False


def run(
    groups: Iterable[Group],
    mesh: Mesh,
    report: Report = _ignore,
    store: StateStore | None = None,
    stop: Stop = _never,
) -> Iterator[Result]:
    """Runs groups one after another, and yields the result of each when it ends.

    `report` is called with the sum of the costs done so far. With a `store`, the state
    of a group is saved every `SAVE_SECONDS`, and a group that has a saved state resumes
    from it. `stop` is called after every chunk; if it returns True, the state is saved
    and `Preempted` is raised.
    """
    done_cost = 0.0
    for group in groups:
        group_report = _rescaled(report, done_cost, group.cost)
        result = run_group(group, mesh, group_report, store, stop)
        done_cost += group.cost
        report(done_cost)
        yield result


def run_group(
    group: Group,
    mesh: Mesh,
    report: Report = _ignore,
    store: StateStore | None = None,
    stop: Stop = _never,
) -> Result:
    """Runs one group; a row for each seed, in their order.

    `report` is called with the fraction of chunks done; for `store` and `stop` see
    `run`.
    """
    started, compiled = time.perf_counter(), compilations.seconds()
    runner = _GroupRun(group, mesh, store, stop)
    state, widths = runner.advance(range(len(group.seeds)), group.name, report)
    compile_seconds = compilations.seconds() - compiled
    run_seconds = time.perf_counter() - started - compile_seconds
    # `finish` may measure more than the training did, which is not part of its time.
    rows = [
        {**group.experiment.finish(state, lane), "seed": seed, "width": width}
        for lane, (seed, width) in enumerate(zip(group.seeds, widths, strict=True))
    ]
    timing = {
        "compile_seconds": round(compile_seconds, 3),
        "run_seconds": round(run_seconds, 3),
    }
    return Result(group, rows, state, timing)


def _rescaled(report: Report, start: float, size: float) -> Report:
    """A report of fractions from 0 to 1 that covers `start` to `start + size`."""
    return lambda fraction: report(start + fraction * size)


class _Ended(NamedTuple):
    state: State  # on the host, without padding
    widths: list[int]  # how many lanes advanced together, for each lane


@dataclasses.dataclass(frozen=True)
class _GroupRun:
    """Advances lanes of one group to their end.

    A part is a range of lanes of the group; the store keeps its state under `name`.
    """

    group: Group
    mesh: Mesh
    store: StateStore | None
    stop: Stop

    def advance(self, part: range, name: str, report: Report) -> _Ended:
        """Advances a part all at once, or half by half if it does not fit into memory.

        The program of a half has another width, hence other roundings.
        """
        try:
            return self._advance_together(part, name, report)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or len(part) < 2:
                raise
        # Outside the handler: the exception keeps the arrays of the lanes alive.
        half = (len(part) + 1) // 2
        warnings.warn(
            f"{name}: {len(part)} lanes do not fit into memory; {half} at a time now",
            stacklevel=2,
        )
        first = self.advance(part[:half], f"{name}/0", _rescaled(report, 0, 1 / 2))
        second = self.advance(part[half:], f"{name}/1", _rescaled(report, 1 / 2, 1 / 2))
        state = jax.tree.map(_concatenated, first.state, second.state)
        return _Ended(state, first.widths + second.widths)

    def _advance_together(self, part: range, name: str, report: Report) -> _Ended:
        experiment, mesh, store = self.group.experiment, self.mesh, self.store
        layout = lay_out(self.group, mesh, part)
        state, first = layout.init(experiment, mesh), 0
        if store and (saved := store.load(name)):
            state, first = _resumed(state, layout.slots, *saved)
        done: np.ndarray | jax.Array = np.zeros(1, bool)
        saved_at = time.monotonic()
        for chunk in range(first, experiment.chunks):
            # The devices compute this chunk while the host waits for the previous one.
            next_state = experiment.advance(mesh, state, chunk)
            if np.all(done):
                break
            state, done = next_state, experiment.done(next_state)
            report(chunk / experiment.chunks)
            stopping = self.stop()
            if store and (stopping or time.monotonic() - saved_at > SAVE_SECONDS):
                _save(store, name, chunk + 1, state, layout.slots)
                saved_at = time.monotonic()
            if stopping:
                raise Preempted
        if store and len(part) < len(self.group.seeds):
            # A half that is done stays so if the run stops in the other half.
            _save(store, name, experiment.chunks, state, layout.slots)
        state = jax.tree.map(lambda leaf: leaf[layout.slots], jax.device_get(state))
        width = mesh.width or len(layout.seeds) // len(mesh.devices)
        return _Ended(state, [width] * len(part))


class Layout(NamedTuple):
    """Where the lanes of a part stand among the slots of a program, padding included.

    `slots` has the slot of each lane; the others are what `Experiment.init` takes.
    """

    slots: np.ndarray
    seeds: np.ndarray
    valid: np.ndarray
    lane_indices: np.ndarray

    def init(self, experiment: Experiment, mesh: Mesh) -> State:
        return experiment.init(mesh, self.seeds, self.valid, self.lane_indices)


def lay_out(group: Group, mesh: Mesh, part: range) -> Layout:
    """Deals the lanes of a part out to the devices, one to each in turn.

    On two devices, five lanes take these slots (- is padding): 0 2 4 | 1 3 -.
    """
    count = len(part)
    whole = count == len(group.seeds)
    size = mesh.lanes_for(max(count, (whole and group.min_slots) or 0))
    slots = np.arange(size).reshape(len(mesh.devices), -1).T.ravel()[:count]
    lane_indices, valid = np.zeros(size, int), np.zeros(size, bool)
    lane_indices[slots], valid[slots] = part, True
    seeds = np.asarray(group.seeds, np.uint32)[lane_indices]
    return Layout(slots, seeds, valid, lane_indices)


def _save(
    store: StateStore, name: str, chunks: int, state: State, slots: np.ndarray
) -> None:
    leaves = [_host_array(leaf)[slots] for leaf in jax.tree.leaves(state)]
    store.save(name, chunks, leaves)


def _resumed(
    state: State, slots: np.ndarray, chunks: int, saved: list[np.ndarray]
) -> tuple[State, int]:
    """The saved state, and its number of chunks.

    `state` is a new one, from `init`: it gives the tree, the padding, and the kind of
    each leaf. It is returned as it is, with 0 chunks, if the saved state is of another
    number of lanes, as a group of the same name may have on other devices.
    """
    leaves, tree = jax.tree.flatten(state)
    shapes = [(len(slots), *_host_array(leaf).shape[1:]) for leaf in leaves]
    if [values.shape for values in saved] != shapes:
        return state, 0
    filled = [_filled(leaf, slots, values) for leaf, values in zip(leaves, saved)]
    return jax.tree.unflatten(tree, filled), chunks


def _filled(leaf: Any, slots: np.ndarray, values: np.ndarray) -> Any:
    """A leaf of the same kind and place, with `values` at `slots`."""
    array = np.array(_host_array(leaf))
    array[slots] = values
    if not isinstance(leaf, jax.Array):
        return array
    if _is_key(leaf):
        key = jax.random.wrap_key_data(
            jnp.asarray(array), impl=jax.random.key_impl(leaf)
        )
        return jax.device_put(key, leaf.sharding)
    return jax.device_put(array, leaf.sharding)


def _concatenated(first: Any, second: Any) -> Any:
    """Arrays on the host, one after the other; random keys remain keys."""
    numpy = jnp if isinstance(first, jax.Array) else np
    return numpy.concatenate([first, second])


def _host_array(leaf: Any) -> np.ndarray:
    """A leaf as a NumPy array; random keys as their data."""
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _is_key(leaf: Any) -> bool:
    key = jax.dtypes.prng_key
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, key)
