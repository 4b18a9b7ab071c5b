"""Lanes: one lane is one seed at one point of the grid.

An experiment is written as pure functions of one lane. `Mesh.each` runs such a function over all lanes of a group, on
every device; `run_group` is the only loop over time on the host: advance a chunk, stop when all lanes are done, report,
repeat.

Lanes share nothing, and how many of them advance together (`width`) is fixed by the caller and recorded: results are
bitwise repeatable at equal width, whatever the number of devices.
"""

import dataclasses
import functools
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, monitoring
from jax.sharding import NamedSharding, PartitionSpec

AXIS = "lanes"


@dataclasses.dataclass(frozen=True)
class Mesh:
    """The devices lanes are spread over, and how many lanes of a device advance together.

    `width` 1 loops over the lanes of a device, which is best for long recurrences on a CPU: a vmapped loop loses its
    single kernel. None takes all lanes of a group at once, which is best on accelerators.
    """

    devices: tuple[jax.Device, ...]
    width: int | None

    @classmethod
    def local(cls) -> "Mesh":
        devices = tuple(jax.local_devices())
        return cls(devices, 1 if devices[0].platform == "cpu" else None)

    def lanes_for(self, lanes: int) -> int:
        """`lanes` rounded up to what the devices share out evenly.

        A looped device gets two lanes at least: XLA would turn a loop over a single one into straight code, which rounds
        differently, and a seed alone would not be that seed of many.
        """
        share = len(self.devices) * (self.width or 1)
        least = 2 * share if self.width == 1 else share
        return max(least, math.ceil(lanes / share) * share)

    def place(self, lanes):
        """Host arrays `[L, ...]` laid out over the devices."""
        return jax.device_put(lanes, NamedSharding(self._mesh, PartitionSpec(AXIS)))

    @property
    def _mesh(self) -> jax.sharding.Mesh:
        return jax.sharding.Mesh(np.asarray(self.devices), (AXIS,))

    def each(self, function: Callable, **static) -> Callable:
        """`function(*lane, *shared, **static)` of one lane, over all lanes.

        The result takes `(lanes, shared)`: a tuple of arrays `[L, ...]` and a tuple of values common to all lanes. It
        is compiled once for each combination of shapes; branches on a shared value stay branches.
        """
        return _program(self, function, tuple(sorted(static.items())))


# Kept: what groups of one shape share. Dropped in time: programs of one group, which would add up to hundreds of
# megabytes.
@functools.lru_cache(maxsize=24)
def _program(mesh: Mesh, function: Callable, static: tuple) -> Callable:
    def shard(lanes, shared):
        def one(lane):
            return function(*lane, *shared, **dict(static))

        if mesh.width == 1:
            return lax.map(one, lanes)
        return lax.map(
            one, lanes, batch_size=mesh.width or len(jax.tree.leaves(lanes)[0])
        )

    spec = PartitionSpec(AXIS)
    return jax.jit(
        jax.shard_map(
            shard,
            mesh=mesh._mesh,
            in_specs=(spec, PartitionSpec()),
            out_specs=spec,
            check_vma=False,
        )
    )


class Experiment(Protocol):
    """What `run` needs of an experiment. States are trees of arrays `[L, ...]`."""

    chunks: int

    def init(
        self, mesh: Mesh, seeds: np.ndarray, live: np.ndarray, order: np.ndarray
    ) -> Any:
        """The state of a group before its first chunk. Slot k holds the lane `order[k]` of the group, of seed `seeds[k]`.

        Slots that are not `live` are padding and born done.
        """

    def advance(self, mesh: Mesh, state: Any, chunk: int) -> Any:
        """One chunk further; done lanes stay as they are."""

    def done(self, state: Any) -> jax.Array:
        """bool `[L]`"""

    def finish(self, state: Any, lane: int) -> dict:
        """The row of one lane, from a state of NumPy arrays."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Lanes of one shape: an experiment, and the seeds it is run with. `cost` weighs it against other groups.

    The program has room for `slots` lanes at least, so that groups of several sizes share it.
    """

    name: str
    experiment: Experiment
    seeds: tuple[int, ...]
    cost: float = 1.0
    slots: int = 0


@dataclasses.dataclass(frozen=True)
class Result:
    """A group that has ended: its rows, the last state of its lanes on the host (arrays `[L, ...]`), and seconds."""

    group: Group
    rows: list[dict]
    state: Any
    timing: dict


class Store(Protocol):
    """Where the states of unfinished groups are kept, as lists of NumPy arrays `[L, ...]`."""

    def load(self, group: str) -> tuple[int, list[np.ndarray]] | None:
        """How many chunks were done and the leaves of the state after them, or None."""

    def save(self, group: str, chunks: int, leaves: list[np.ndarray]) -> None: ...


SAVE_SECONDS = 30.0


class Preempted(Exception):
    """A run was told to stop; what it has done is in its store."""


def run(
    groups: Iterable[Group],
    mesh: Mesh,
    report: Callable[[float], None] = lambda cost: None,
    store: Store | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Result]:
    """Runs groups one after another and yields each as it ends. `report` is called with the sum of costs done so far.

    With a `store`, the state of a group is kept every `SAVE_SECONDS`, and a group of which it has one goes on from there. `stop`
    is asked after every chunk; once it says yes, the state is kept.

    Raises `Preempted` then.
    """
    before = 0.0
    for group in groups:
        started, compiled = time.perf_counter(), _COMPILE_SECONDS[0]
        rows, state = run_group(
            group, mesh, lambda share: report(before + share * group.cost), store, stop
        )  # noqa: B023
        compiled = _COMPILE_SECONDS[0] - compiled
        run_seconds = time.perf_counter() - started - compiled
        before += group.cost
        report(before)
        yield Result(
            group,
            rows,
            state,
            {
                "compile_seconds": round(compiled, 3),
                "run_seconds": round(run_seconds, 3),
            },
        )


def run_group(
    group: Group,
    mesh: Mesh,
    report: Callable[[float], None] = lambda share: None,
    store: Store | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[list[dict], Any]:
    """The rows of one group, a lane for each seed in that order, and the last state of these lanes on the host.

    `report` is called with the share of chunks done; for `store` and `stop` see `run`.
    """
    host, widths = _advanced(
        group, mesh, range(len(group.seeds)), group.name, report, store, stop
    )
    rows = [
        {**group.experiment.finish(host, lane), "seed": seed, "width": width}
        for lane, (seed, width) in enumerate(zip(group.seeds, widths, strict=True))
    ]
    return rows, host


def _advanced(
    group: Group, mesh: Mesh, part: range, name: str, report, store, stop
) -> tuple[Any, list[int]]:
    """The last state of some lanes of a group on the host, and how many advanced together, for each.

    Lanes that do not fit into memory are advanced half by half; `name` is what the state of a part is kept as.
    """
    try:
        return _advance(group, mesh, part, name, report, store, stop)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) or len(part) < 2:
            raise
    # Out of the handler: it would keep what the lanes hold.
    cut = (len(part) + 1) // 2
    warnings.warn(
        f"{name}: {len(part)} lanes do not fit into memory; {cut} at a time now",
        stacklevel=2,
    )
    ends = [
        _advanced(
            group,
            mesh,
            some,
            f"{name}/{place}",
            lambda share, place=place: report((place + share) / 2),
            store,
            stop,
        )
        for place, some in enumerate((part[:cut], part[cut:]))
    ]
    (one, widths), (other, more) = ends
    return jax.tree.map(_joined, one, other), widths + more


def _advance(
    group: Group, mesh: Mesh, part: range, name: str, report, store, stop
) -> tuple[Any, list[int]]:
    """As `_advanced`, all lanes of the part together."""
    experiment, (slots, start) = group.experiment, _start(group, mesh, part)
    width = mesh.width or len(start[0]) // len(mesh.devices)
    state = experiment.init(mesh, *start)
    first, state = _resumed(store and store.load(name), state, slots)
    done, saved = np.False_, time.monotonic()

    def save(chunks):
        store.save(
            name, chunks, [_numbers(leaf)[slots] for leaf in jax.tree.leaves(state)]
        )

    for chunk in range(first, experiment.chunks):
        following = experiment.advance(
            mesh, state, chunk
        )  # in flight while the host waits for the chunk before it
        if np.all(done):
            break
        state, done = following, experiment.done(following)
        report(chunk / experiment.chunks)
        stopping = stop()
        if store and (stopping or time.monotonic() - saved > SAVE_SECONDS):
            save(chunk + 1)
            saved = time.monotonic()
        if stopping:
            raise Preempted
    if store and len(part) < len(group.seeds):
        save(experiment.chunks)
    return jax.tree.map(lambda leaf: leaf[slots], jax.device_get(state)), [width] * len(
        part
    )


def _resumed(
    kept: tuple[int, list[np.ndarray]] | None, state: Any, slots: np.ndarray
) -> tuple[int, Any]:
    """The first chunk to do, and the state before it: what was kept of the lanes, in the place of a fresh start.

    What was kept of another number of lanes, as a group of the same name may have on other devices, is of no use.
    """
    leaves, tree = jax.tree.flatten(state)
    wanted = (
        [(len(slots), *_numbers(leaf).shape[1:]) for leaf in leaves] if kept else []
    )
    if kept is None or [row.shape for row in kept[1]] != wanted:
        return 0, state
    (first, rows), out = kept, []
    for leaf, row in zip(leaves, rows, strict=True):
        numbers = np.array(_numbers(leaf))
        numbers[slots] = row
        if not isinstance(leaf, jax.Array):
            out.append(numbers)
        elif jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            out.append(
                jax.device_put(
                    jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(leaf)),
                    leaf.sharding,
                )
            )
        else:
            out.append(jax.device_put(numbers, leaf.sharding))
    return first, jax.tree.unflatten(tree, out)


def _joined(leaf, other):
    """Arrays on the host, one after the other; keys stay keys."""
    return (jnp if isinstance(leaf, jax.Array) else np).concatenate([leaf, other])


def _numbers(leaf) -> np.ndarray:
    """A leaf on the host; keys as the numbers they are made of."""
    key = isinstance(leaf, jax.Array) and jnp.issubdtype(
        leaf.dtype, jax.dtypes.prng_key
    )
    return np.asarray(jax.random.key_data(leaf) if key else leaf)


def _start(group: Group, mesh: Mesh, part: range) -> tuple[np.ndarray, tuple]:
    """The slot of each lane of a part of a group, dealt out to the devices in turn, and what `init` takes."""
    count, devices = len(part), len(mesh.devices)
    room = mesh.lanes_for(max(count, group.slots if count == len(group.seeds) else 0))
    slots = np.arange(room).reshape(devices, -1).T.ravel()[:count]
    lanes, live = np.zeros(room, int), np.zeros(room, bool)
    lanes[slots], live[slots] = part, True
    return slots, (np.asarray(group.seeds, np.uint32)[lanes], live, lanes)


@dataclasses.dataclass(frozen=True)
class Trial:
    """What the first chunks of a group took: seconds a lane and chunk once compiled, seconds of compiling, bytes of its state."""

    lane_chunk_seconds: float
    compile_seconds: float
    state_bytes: int


def trial(group: Group, mesh: Mesh) -> Trial:
    """Runs the start of a group and measures it."""
    compiled = _COMPILE_SECONDS[0]
    experiment, (_, start) = (
        group.experiment,
        _start(group, mesh, range(len(group.seeds))),
    )
    state = experiment.init(mesh, *start)
    jax.block_until_ready(experiment.advance(mesh, state, 0))
    compiled = _COMPILE_SECONDS[0] - compiled
    started = time.perf_counter()
    jax.block_until_ready(experiment.advance(mesh, state, 0))
    seconds = time.perf_counter() - started
    return Trial(
        seconds / len(group.seeds),
        compiled,
        sum(leaf.nbytes for leaf in jax.tree.leaves(state) if hasattr(leaf, "nbytes")),
    )


_COMPILE_SECONDS = [0.0]


def _count_compilation(event: str, seconds: float, **_) -> None:
    if event.startswith("/jax/core/compile/"):
        _COMPILE_SECONDS[0] += seconds


monitoring.register_event_duration_secs_listener(_count_compilation)
