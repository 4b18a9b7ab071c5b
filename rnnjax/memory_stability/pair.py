"""One lane of memory stability: two trajectories of one network, and what is seen of them.

Pure functions of a lane, in the order they run: `streams`, `weigh` and `begin` once; then for every chunk of `CHUNK` steps `draw`,
`project` and `evolve`. A chunk of the part in which the sequences differ holds `CHUNK // 2` steps of each, one after the other; a
shared chunk holds `CHUNK` steps that both read. Draws come in blocks of `CHUNK // 2` steps from streams that depend on the seed
alone: seed 7 alone is seed 7 of 10, and a run of 3,000 steps is the start of one of 100,000. The inputs of a narrow network are the
first inputs of a wide one (but for the last bit).
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.cells import cell as cell_lib
from rnnjax.engine import unroll
from rnnjax.memory_stability import criteria as criteria_lib
from rnnjax.memory_stability import lyapunov

# TF32 on a GPU or bfloat16 on a TPU would decide when two outputs agree.
PRECISION = jax.default_matmul_precision("highest")
CHUNK = 1000
TAIL = 1000
ROOT = 20190402


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
    frame: jax.Array  # [S, S] disturbances of all S numbers of the state; () unless the whole spectrum is wanted
    growths: jax.Array  # [intervals, S]
    first: jax.Array  # int32 [criteria], first index that meets the criterion
    last_unmet: jax.Array  # int32 [criteria], last index that does not
    distances: jax.Array  # [sample_steps], largest absolute difference there
    tail: (
        jax.Array
    )  # [TAIL], the same over the last TAIL shared steps, NaN where there were fewer
    diverged: (
        jax.Array
    )  # int32, step (of the whole sequence) of the first number that is not finite


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


def _unless(done, function, like):
    """`function()` for a lane that goes on, `like` (or zeros of its shape) for one that is done and need not be computed."""
    return lax.cond(done, lambda: like, function)


def _zeros(function):
    return jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function)
    )


def bitwise_equal(a, b) -> jax.Array:
    def equal(x, y):
        bits = jnp.dtype(f"uint{x.dtype.itemsize * 8}")
        return jnp.all(
            lax.bitcast_convert_type(x, bits) == lax.bitcast_convert_type(y, bits)
        )

    return functools.reduce(
        jnp.logical_and, map(equal, jax.tree.leaves(a), jax.tree.leaves(b))
    )


def streams(seed) -> Streams:
    root = jax.random.fold_in(jax.random.key(ROOT, impl="threefry2x32"), seed)
    return Streams(*(jax.random.fold_in(root, k) for k in range(len(Streams._fields))))


def weigh(key, numbers, *, cell, input_size, dtype):
    """Fresh weights, for the projection and for the step. They are drawn in float32 whatever the dtype: the same network."""
    variables = cell_lib.initialize(
        cell.with_numbers(**numbers) if numbers else cell, key, input_size
    )
    return split(variables, cell=cell, input_size=input_size, dtype=dtype)


def split(variables, *, cell, input_size, dtype):
    """Weights for the projection and for the step."""
    return _cast(cell_lib.split_parameters(cell, variables, input_size), dtype)


def begin(
    live, disturbance, parameters, *, cell, criteria, samples, dtype, spectrum
) -> Pair:
    carry = _cast(cell.apply(parameters, method="initial_carry"), dtype)
    leaves, tree = jax.tree.flatten(carry)
    if not all(
        jnp.issubdtype(leaf.dtype, jnp.floating)
        for leaf in jax.tree.leaves(cell.apply(parameters, method="initial_carry"))
    ):
        raise ValueError(
            "every array of a cell's state must be of floating point: distances and exponents are taken over all"
        )
    keys = jax.random.split(disturbance, len(leaves))
    tangent = tree.unflatten(
        [jax.random.normal(k, leaf.shape, jnp.float32) for k, leaf in zip(keys, leaves)]
    )
    wide = jnp.promote_types(dtype, jnp.float32)
    steps = math.ceil((lyapunov.BURN_IN + lyapunov.STEPS) / CHUNK) * CHUNK
    size = sum(leaf.size for leaf in leaves)
    return Pair(
        done=~live,
        a=carry,
        b=carry,
        tangent=_cast(tangent, dtype),
        growth=jnp.zeros(steps // lyapunov.EVERY, jnp.float32),
        frame=jnp.eye(size, dtype=wide) if spectrum else (),
        growths=jnp.zeros((steps // lyapunov.EVERY_QR, size), jnp.float32)
        if spectrum
        else (),
        first=jnp.full(criteria + 1, -1, jnp.int32),
        last_unmet=jnp.full(criteria + 1, -1, jnp.int32),
        distances=jnp.zeros(samples, wide),
        tail=jnp.full(TAIL, jnp.nan, wide),
        diverged=jnp.int32(-1),
    )


def _cast(tree, dtype):
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


def draw(done, streams: Streams, phase: Phase, *, inputs, input_size) -> jax.Array:
    """The chunk's inputs x `[CHUNK, I]`: two blocks of `CHUNK // 2` steps, of a and b or of the shared part."""

    def block(unique, k):
        shared = jax.random.fold_in(streams.shared, 2 * phase.index + k)
        key = jnp.where(phase.shared, shared, jax.random.fold_in(unique, phase.index))
        if inputs is not None:
            return inputs(key, CHUNK // 2)
        # Drawn input by input: the counter-based generator then gives narrow and wide networks the same first inputs.
        return jax.random.normal(key, (input_size, CHUNK // 2), jnp.float32).T

    def draw():
        return jnp.concatenate([block(streams.unique_a, 0), block(streams.unique_b, 1)])

    return _unless(done, draw, _zeros(draw))


def project(done, parameters, scale, x, *, cell, dtype):
    @PRECISION
    def project():
        return cell.apply(parameters, (scale * x).astype(dtype), method="project")

    return _unless(done, project, _zeros(project))


@PRECISION
def evolve(parameters, pair: Pair, z, phase: Phase, points, *, cell, criteria) -> Pair:
    """The pair after a chunk. Lanes that advance together choose one branch by `phase` only outside of what each decides itself."""

    def step(carry, row):
        return cell.apply(parameters, carry, row, method="step")

    pair = lax.cond(
        phase.exponent,
        lambda: _unless(pair.done, lambda: _grow(step, pair, z, phase), pair),
        lambda: pair,
    )
    return _unless(
        pair.done, lambda: _live_evolve(step, pair, z, phase, points, criteria), pair
    )


def _live_evolve(step, pair: Pair, z, phase: Phase, points, criteria) -> Pair:
    a, b, ya, yb = unroll.unroll_pair(
        step, pair.a, pair.b, z, phase.offset, phase.length
    )
    rows = jnp.arange(CHUNK)
    finite = jnp.all(jnp.isfinite(ya) & jnp.isfinite(yb), axis=-1) | (
        rows >= phase.length
    )
    sound = jnp.cumsum(~finite) == 0
    seen = (rows < phase.length) & sound & phase.shared
    met = jnp.stack(
        [criteria_lib.get(name)(ya, yb) for name in (*criteria, "identical")]
    )
    distance = criteria_lib.distance(ya, yb)
    index = points - phase.start
    sampled = phase.shared & (index >= 0) & (index < phase.length)
    broken = phase.step + jnp.minimum(jnp.sum(sound), phase.length - 1)
    ok = jnp.all(finite) & _finite(a) & _finite(b)
    diverged = jnp.where(ok, -1, broken)
    return pair._replace(
        done=(diverged >= 0) | (phase.may_stop & bitwise_equal(a, b)),
        a=a,
        b=b,
        first=jnp.where(
            (pair.first < 0) & jnp.any(met & seen, axis=1),
            phase.start + jnp.argmax(met & seen, axis=1),
            pair.first,
        ).astype(jnp.int32),
        last_unmet=jnp.maximum(
            pair.last_unmet,
            jnp.max(jnp.where(seen & ~met, phase.start + rows, -1), axis=1),
        ).astype(jnp.int32),
        distances=jnp.where(
            sampled, distance[jnp.clip(index, 0, CHUNK - 1)], pair.distances
        ),
        tail=lax.dynamic_slice_in_dim(
            jnp.concatenate([pair.tail, distance]),
            jnp.where(phase.shared, phase.length, 0),
            TAIL,
        ),
        diverged=diverged.astype(jnp.int32),
    )


def _finite(tree) -> jax.Array:
    return functools.reduce(
        jnp.logical_and, [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]
    )


def _grow(step, pair: Pair, z, phase: Phase) -> Pair:
    def noted(growths, new, every):
        return lax.dynamic_update_slice_in_dim(growths, new, phase.start // every, 0)

    _, tangent, growth = unroll.unroll_tangent(
        step, pair.a, pair.tangent, z, lyapunov.EVERY
    )
    pair = pair._replace(
        tangent=tangent, growth=noted(pair.growth, growth, lyapunov.EVERY)
    )
    if isinstance(pair.frame, tuple):
        return pair
    frame, growths = unroll.unroll_frame(step, pair.a, pair.frame, z, lyapunov.EVERY_QR)
    return pair._replace(
        frame=frame, growths=noted(pair.growths, growths, lyapunov.EVERY_QR)
    )
