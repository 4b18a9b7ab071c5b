"""For how many steps does a different past still show in the output? (Muccino 2019)

A network with fresh random weights runs on two sequences of N(0, 1) inputs. Their first `unique_steps` steps differ,
the rest is shared. Counted from the first shared step (index 0): when do the two outputs agree, for each of several
criteria?

Inputs are drawn, projected and consumed in chunks of `CHUNK` steps, so memory does not grow with the number of steps. A
chunk of the first part holds `CHUNK // 2` steps of each sequence, one after the other; a shared chunk holds `CHUNK`
steps that both sequences read. Draws come in blocks of `CHUNK // 2` steps from streams that depend on the seed alone:
seed 7 alone is seed 7 of 10, and a run of 3,000 steps is the start of one of 100,000. The inputs of a narrow network
are the first inputs of a wide one.
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rnnjax import criteria as criteria_lib
from rnnjax import lanes, lyapunov, unroll
from rnnjax.cells.cell import split_parameters

# TF32 on a GPU or bfloat16 on a TPU would decide when two outputs agree.
PRECISION = jax.default_matmul_precision("highest")
CHUNK = 1000
TAIL = 1000
ROOT = 20190402
DEFAULT_CRITERIA = ("identical", "cosine", "1e-2", "1e-4", "1e-6")


class Streams(NamedTuple):
    """A lane's random keys. All of them depend on its seed alone."""

    weights: jax.Array
    unique_a: jax.Array
    unique_b: jax.Array
    shared: jax.Array
    disturbance: jax.Array


class Source(NamedTuple):
    """What a lane's inputs are made from; the only part of a lane that depends on the input size."""

    streams: Streams
    scale: jax.Array
    parameters: dict  # of the cell's projection


class Pair(NamedTuple):
    """A lane's two trajectories and what has been seen of them. Times are indices of shared steps; -1 is "not yet"."""

    done: jax.Array  # bool
    a: tuple
    b: tuple
    tangent: tuple
    growth: jax.Array  # [intervals], see lyapunov
    first: jax.Array  # int32 [criteria], first index that meets the criterion
    last_unmet: jax.Array  # int32 [criteria], last index that does not
    distances: jax.Array  # [sample_steps], largest absolute difference there
    tail: jax.Array  # [TAIL], the same over the last TAIL shared steps, NaN where there were fewer
    diverged: jax.Array  # int32, step (of the whole sequence) of the first number that is not finite


class State(NamedTuple):
    source: Source
    parameters: dict  # of the cell's step
    pair: Pair


class Phase(NamedTuple):
    """A chunk's place in the run: values common to all lanes, traced, so that one program serves all chunks."""

    shared: jax.Array  # bool: the two sequences see the same inputs
    index: jax.Array  # which chunk of its part
    offset: jax.Array  # row of sequence b's first step
    length: jax.Array  # steps of this chunk
    start: jax.Array  # index of the first step within its part
    step: jax.Array  # index of the first step within the whole sequence
    exponent: jax.Array  # bool: the exponent needs this chunk
    may_stop: jax.Array  # bool: a pair that has merged is done after this chunk


def sample_steps(shared_steps: int) -> np.ndarray:
    """The shared steps at which the distance is kept: every one at first, then 8 % apart. Those of a shorter run come first."""
    steps = np.unique(np.floor(1.08 ** np.arange(400)).astype(np.int64)) - 1
    return steps[steps < shared_steps]


@dataclasses.dataclass(frozen=True)
class Stability:
    """The experiment for one cell (with its number of units) and one input size; see `lanes.Experiment`.

    `numbers` sets numeric fields of the cell, such as `keep_bias`, without a program of their own. `full` goes on to
    the last step even when both states are bitwise equal and the rest is known.
    """

    cell: object
    input_size: int
    steps: int = 100_000
    unique_steps: int = 1_000
    criteria: tuple[str, ...] = DEFAULT_CRITERIA
    dtype: str = "float32"
    input_scale: float = 1.0
    numbers: dict = dataclasses.field(default_factory=dict)
    full: bool = False
    labels: dict = dataclasses.field(default_factory=dict)

    @property
    def shared_steps(self) -> int:
        return self.steps - self.unique_steps

    @property
    def unique_chunks(self) -> int:
        return math.ceil(self.unique_steps / (CHUNK // 2))

    @property
    def chunks(self) -> int:
        return self.unique_chunks + math.ceil(self.shared_steps / CHUNK)

    def phase(self, chunk: int) -> Phase:
        shared = chunk >= self.unique_chunks
        index = chunk - self.unique_chunks if shared else chunk
        rows, part = (CHUNK, self.shared_steps) if shared else (CHUNK // 2, self.unique_steps)
        start = index * rows
        exponent_end = min(lyapunov.BURN_IN + lyapunov.STEPS, self.shared_steps)
        return Phase(
            shared=np.bool_(shared),
            index=np.int32(index),
            offset=np.int32(0 if shared else rows),
            length=np.int32(min(rows, part - start)),
            start=np.int32(start),
            step=np.int32(start + shared * self.unique_steps),
            exponent=np.bool_(shared and start < exponent_end),
            may_stop=np.bool_(shared and start + rows >= exponent_end and not self.full),
        )

    @property
    def programs(self) -> frozenset:
        """What is compiled for a group, named so that groups that share a program name it alike."""
        cell, size = self.cell, self.input_size
        own = {("draw", size), ("weigh", cell, size), ("project", cell, size)}
        return frozenset(own | {("streams",), ("begin", cell), ("evolve", cell)})

    def init(self, mesh: lanes.Mesh, seeds: np.ndarray, live: np.ndarray) -> State:
        numbers = {name: np.full(len(seeds), value, np.float32) for name, value in self.numbers.items()}
        live, numbers, scale = mesh.place((live, numbers, np.full(len(seeds), self.input_scale, np.float32)))
        streams = mesh.each(_streams)((mesh.place(seeds),), ())
        weigh = mesh.each(_weigh, cell=self.cell, input_size=self.input_size, dtype=self.dtype)
        to_project, to_step = weigh((streams.weights, numbers), ())
        samples = len(sample_steps(self.shared_steps))
        begin = mesh.each(_begin, cell=self.cell, criteria=len(self.criteria), samples=samples, dtype=self.dtype)
        state = State(Source(streams, scale, to_project), to_step, begin((live, streams.disturbance, to_step), ()))
        self._check(mesh, state)
        return state

    def advance(self, mesh: lanes.Mesh, state: State, chunk: int) -> State:
        z = self._inputs(mesh, state, chunk)
        return state._replace(pair=self._evolve(mesh, state, z, self.phase(chunk)))

    def done(self, state: State) -> jax.Array:
        return state.pair.done

    def finish(self, state: State, lane: int) -> dict:
        pair = jax.tree.map(lambda leaf: leaf[lane], state.pair._replace(a=(), b=(), tangent=()))
        diverged = int(pair.diverged) >= 0
        times = {}
        for k, name in enumerate(self.criteria):
            first, settled = int(pair.first[k]), int(pair.last_unmet[k]) + 1
            times[f"first_{name}"] = first if first >= 0 else None
            if criteria_lib.settles(name):
                times[f"settled_{name}"] = settled if settled < self.shared_steps and not diverged else None
        apart = int(pair.last_unmet[-1]) + 1 >= self.shared_steps
        growth = pair.growth[: self.shared_steps // lyapunov.EVERY]
        exponent, error, exponent_status = (None, None, "diverged") if diverged else lyapunov.estimate(growth)
        return {
            **self.labels,
            "input_size": self.input_size,
            "hidden_size": self.cell.hidden_size,
            "layers": 1,
            "steps": self.steps,
            "unique_steps": self.unique_steps,
            "dtype": self.dtype,
            "status": "diverged" if diverged else "apart" if apart else "merged",
            "diverged_step": int(pair.diverged) if diverged else None,
            **times,
            "lyapunov": exponent,
            "lyapunov_se": error,
            "lyapunov_status": exponent_status,
            "floor": float(np.nanmedian(pair.tail)) if apart and not diverged else None,
            "distance": [float(d) if np.isfinite(d) else None for d in pair.distances],
        }

    def _inputs(self, mesh: lanes.Mesh, state: State, chunk: int):
        source, done, phase = state.source, state.pair.done, self.phase(chunk)
        x = mesh.each(_draw, input_size=self.input_size)((done, source.streams), (phase,))
        return mesh.each(_project, cell=self.cell, dtype=self.dtype)((done, source.parameters, source.scale, x), ())

    def _evolve(self, mesh: lanes.Mesh, state: State, z, phase: Phase) -> Pair:
        points = sample_steps(self.shared_steps).astype(np.int32)
        return mesh.each(_evolve, cell=self.cell, criteria=self.criteria)((state.parameters, state.pair, z), (phase, points))

    def _check(self, mesh: lanes.Mesh, state: State) -> None:
        """Feeds the compiled program equal states: they must stay bitwise equal, or no result of it means anything."""
        shapes = jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), state.pair)
        if (key := (mesh, self.cell, self.criteria, str(shapes))) in _CHECKED:
            return
        z = self._inputs(mesh, state, self.unique_chunks)
        pair = self._evolve(mesh, state, z, self.phase(self.unique_chunks)._replace(length=np.int32(CHUNK)))
        outputs = (np.asarray(pair.last_unmet)[:, -1] < 0) | (np.asarray(pair.diverged) >= 0)
        if not np.all(np.asarray(jax.vmap(_bitwise_equal)(pair.a, pair.b)) & outputs):
            raise ArithmeticError(
                f"equal states did not stay equal through {type(self.cell).__name__} with {self.cell.hidden_size} units: "
                "the compiled program treats its two sequences differently, so nothing it says can be trusted"
            )
        _CHECKED.add(key)


def measure(
    cell, input_size: int, *, seeds: int = 10, first_seed: int = 0, mesh: lanes.Mesh | None = None, **settings
) -> list[dict]:
    """Measures the memory of any cell: one row a seed, see `Stability.finish` and README.

    `cell` is a linen module with the contract of `rnnjax.cells.cell` and a field `hidden_size`; `settings` are the fields of
    `Stability`, such as `steps`. Turn rows into arrays with `records.columns`.

    Raises ValueError for settings that leave nothing to measure, and ArithmeticError if the compiled program does not keep equal
    states equal.
    """
    labels = {"benchmark": "memory_stability", "cell": type(cell).__name__}
    experiment = Stability(cell, input_size, **{"labels": labels, **settings})
    if not 0 < experiment.unique_steps < experiment.steps or input_size < 1 or seeds < 1:
        raise ValueError(
            f"need 0 < unique_steps < steps, input_size > 0 and seeds > 0, not {experiment.unique_steps}, {experiment.steps}, "
            f"{input_size} and {seeds}"
        )
    group = lanes.Group("measure", experiment, tuple(range(first_seed, first_seed + seeds)))
    return lanes.run_group(group, mesh or lanes.Mesh.local())


_CHECKED: set = set()


def _unless(done, function, like):
    """`function()` for a lane that goes on, `like` (or zeros of its shape) for one that is done and need not be computed."""
    return lax.cond(done, lambda: like, function)


def _zeros(function):
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function))


def _bitwise_equal(a, b) -> jax.Array:
    def equal(x, y):
        bits = jnp.dtype(f"uint{x.dtype.itemsize * 8}")
        return jnp.all(lax.bitcast_convert_type(x, bits) == lax.bitcast_convert_type(y, bits))

    return functools.reduce(jnp.logical_and, map(equal, jax.tree.leaves(a), jax.tree.leaves(b)))


def _streams(seed) -> Streams:
    root = jax.random.fold_in(jax.random.key(ROOT, impl="threefry2x32"), seed)
    return Streams(*(jax.random.fold_in(root, k) for k in range(len(Streams._fields))))


def _weigh(key, numbers, *, cell, input_size, dtype):
    """Fresh weights, for the projection and for the step. They are drawn in float32 whatever the dtype: the same network."""
    fresh = cell.clone(**numbers)
    variables = fresh.init(key, fresh.initial_carry(), jnp.zeros(input_size))
    return _cast(split_parameters(cell, variables, input_size), dtype)


def _begin(live, disturbance, parameters, *, cell, criteria, samples, dtype) -> Pair:
    carry = _cast(cell.apply(parameters, method="initial_carry"), dtype)
    leaves, tree = jax.tree.flatten(carry)
    keys = jax.random.split(disturbance, len(leaves))
    tangent = tree.unflatten([jax.random.normal(k, leaf.shape, jnp.float32) for k, leaf in zip(keys, leaves)])
    wide = jnp.promote_types(dtype, jnp.float32)
    intervals = math.ceil((lyapunov.BURN_IN + lyapunov.STEPS) / CHUNK) * CHUNK // lyapunov.EVERY
    return Pair(
        done=~live,
        a=carry,
        b=carry,
        tangent=_cast(tangent, dtype),
        growth=jnp.zeros(intervals, jnp.float32),
        first=jnp.full(criteria + 1, -1, jnp.int32),
        last_unmet=jnp.full(criteria + 1, -1, jnp.int32),
        distances=jnp.zeros(samples, wide),
        tail=jnp.full(TAIL, jnp.nan, wide),
        diverged=jnp.int32(-1),
    )


def _cast(tree, dtype):
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


def _draw(done, streams: Streams, phase: Phase, *, input_size) -> jax.Array:
    """The chunk's inputs x `[CHUNK, I]`, float32: two blocks of `CHUNK // 2` steps, of a and b or of the shared part."""

    def block(unique, k):
        shared = jax.random.fold_in(streams.shared, 2 * phase.index + k)
        key = jnp.where(phase.shared, shared, jax.random.fold_in(unique, phase.index))
        # Drawn input by input: the counter-based generator then gives narrow and wide networks the same first inputs.
        return jax.random.normal(key, (input_size, CHUNK // 2), jnp.float32).T

    def draw():
        return jnp.concatenate([block(streams.unique_a, 0), block(streams.unique_b, 1)])

    return _unless(done, draw, _zeros(draw))


def _project(done, parameters, scale, x, *, cell, dtype):
    @PRECISION
    def project():
        return cell.apply(parameters, (scale * x).astype(dtype), method="project")

    return _unless(done, project, _zeros(project))


def _evolve(parameters, pair: Pair, z, phase: Phase, points, *, cell, criteria) -> Pair:
    return _unless(pair.done, lambda: _live_evolve(parameters, pair, z, phase, points, cell, criteria), pair)


@PRECISION
def _live_evolve(parameters, pair: Pair, z, phase: Phase, points, cell, criteria) -> Pair:
    def step(carry, row):
        return cell.apply(parameters, carry, row, method="step")

    a, b, ya, yb = unroll.unroll_pair(step, pair.a, pair.b, z, phase.offset, phase.length)
    rows = jnp.arange(CHUNK)
    valid = rows < phase.length
    seen = valid & phase.shared
    met = jnp.stack([criteria_lib.get(name)(ya, yb) for name in (*criteria, "identical")])
    distance = criteria_lib.distance(ya, yb)
    index = points - phase.start
    sampled = phase.shared & (index >= 0) & (index < phase.length)
    finite = jnp.all(jnp.isfinite(ya) & jnp.isfinite(yb), axis=-1)
    broken = phase.step + jnp.where(jnp.all(finite | ~valid), phase.length - 1, jnp.argmax(~finite & valid))
    ok = jnp.all(finite | ~valid) & _finite(a) & _finite(b)
    diverged = jnp.where(ok, -1, broken)
    tangent, growth = lax.cond(phase.exponent, lambda: _grow(step, pair, z, phase), lambda: (pair.tangent, pair.growth))
    return pair._replace(
        done=(diverged >= 0) | (phase.may_stop & _bitwise_equal(a, b)),
        a=a,
        b=b,
        tangent=tangent,
        growth=growth,
        first=jnp.where(
            (pair.first < 0) & jnp.any(met & seen, axis=1), phase.start + jnp.argmax(met & seen, axis=1), pair.first
        ).astype(jnp.int32),
        last_unmet=jnp.maximum(pair.last_unmet, jnp.max(jnp.where(seen & ~met, phase.start + rows, -1), axis=1)).astype(
            jnp.int32
        ),
        distances=jnp.where(sampled, distance[jnp.clip(index, 0, CHUNK - 1)], pair.distances),
        tail=lax.dynamic_slice_in_dim(jnp.concatenate([pair.tail, distance]), jnp.where(phase.shared, phase.length, 0), TAIL),
        diverged=diverged.astype(jnp.int32),
    )


def _finite(tree) -> jax.Array:
    return functools.reduce(jnp.logical_and, [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)])


def _grow(step, pair: Pair, z, phase: Phase):
    _, tangent, growth = unroll.unroll_tangent(step, pair.a, pair.tangent, z, lyapunov.EVERY)
    return tangent, lax.dynamic_update_slice_in_dim(pair.growth, growth, phase.start // lyapunov.EVERY, 0)
