"""One lane of memory stability: two trajectories of one network.

`init_device` makes the lanes of a device, and `advance_lane` advances one by a chunk.

A chunk is `CHUNK` rows of inputs. While the sequences differ it holds CHUNK // 2 steps
of each, one after the other; once they are shared it holds CHUNK steps that both read:

    differ    a_0 ... a_499, b_0 ... b_499     a reads row t, b reads row t + 500
    shared    s_0 ... s_999                    both read row t

So one program advances the pair in both phases.
"""

import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from rnnjax.cells.cell import Carry, Projected, Variables
from rnnjax.engine import unroll, unroll_together
from rnnjax.engine.mesh import together
from rnnjax.memory_stability import criteria as criteria_lib
from rnnjax.memory_stability import lyapunov
from rnnjax.memory_stability import source as source_lib
from rnnjax.memory_stability.source import (
    CHUNK,
    PRECISION,
    Keys,
    Lane,
    Phase,
    Source,
    Window,
)

TAIL = 1000  # last shared steps whose distances are kept


class Pair(NamedTuple):
    """The two trajectories of a lane, and what was measured of them so far.

    Times are indices of shared steps, from 0; -1 means "not yet".
    """

    done: jax.Array  # bool
    a: Carry
    b: Carry
    tangent: Carry  # disturbance that grows at the rate of the largest exponent
    growth: jax.Array  # [intervals], log growth of the tangent; see `lyapunov`
    frame: (
        jax.Array | None
    )  # [S, S], orthonormal disturbances, if all exponents are computed
    growth_all: jax.Array | None  # [intervals, S], their log growth
    first: jax.Array  # int32 [criteria + 1], first index that meets the criterion
    last_unmet: jax.Array  # int32 [criteria + 1], last index that does not
    distances: jax.Array  # [sample_steps], largest absolute difference at these steps
    tail: jax.Array  # [TAIL], the same at the last steps; NaN if there were fewer
    diverged: jax.Array  # int32, step of the sequence with the first number not finite


class State(NamedTuple):
    """A lane as it advances."""

    source: Source
    parameters: Variables  # of the cell's step
    pair: Pair


def init_device(
    lanes: Lane,
    *,
    windows: tuple[Window, ...],
    cell: nn.Module,
    criteria: int,
    samples: int,
    dtype: str,
    spectrum: bool,
) -> State:
    """A device's lanes before their first step; see `source.weights`, `init_pair`."""

    sizes = [window.input_size for window in windows]
    weights = functools.partial(
        source_lib.weights, cell=cell, input_sizes=tuple(sizes), dtype=dtype
    )

    def projection(input_size: int, lane: Lane) -> Variables:
        return weights(lane, input_size=input_size)[0]

    def rest(lane: Lane) -> tuple[Keys, Variables, Pair]:
        # The weights of the step do not depend on the input size.
        _, to_step = weights(lane, input_size=sizes[0])
        keys = source_lib.make_keys(lane.seed)
        pair = init_pair(
            lane.valid,
            keys.disturbance,
            to_step,
            cell=cell,
            criteria=criteria,
            samples=samples,
            dtype=dtype,
            spectrum=spectrum,
        )
        return keys, to_step, pair

    some = source_lib.split(lanes, windows)
    parts = source_lib.by_window(projection, windows, some)
    to_project = source_lib.in_order(parts, windows, lanes.size)
    keys, to_step, pair = source_lib.over_lanes(rest, lanes)
    source = Source(keys, lanes.size, lanes.scale, to_project)
    return State(source, to_step, pair)


def init_pair(
    valid: jax.Array,
    disturbance: jax.Array,
    parameters: Variables,
    *,
    cell: nn.Module,
    criteria: int,
    samples: int,
    dtype: str,
    spectrum: bool,
) -> Pair:
    """The pair before its first step: equal states, a random tangent, no times.

    Slots that are not `valid` are padding, and done at once. `disturbance` is the key
    of the tangent; `parameters` are the weights of the step, which hold a learned
    initial state; `criteria` counts the criteria beside `identical`, `samples` the
    steps at which the distance is kept.

    Raises ValueError if an array of the state is not of floating point.
    """
    start = cell.apply(parameters, method="initial_carry")
    if not all(
        jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(start)
    ):
        raise ValueError(
            "every array of a cell's state must be of floating point: distances and "
            "exponents are taken over all"
        )
    carry = _cast(start, dtype)
    leaves, structure = jax.tree.flatten(carry)
    keys = jax.random.split(disturbance, len(leaves))
    tangent = jax.tree.unflatten(
        structure,
        [
            jax.random.normal(k, leaf.shape, jnp.float32)
            for k, leaf in zip(keys, leaves)
        ],
    )
    wide = jnp.promote_types(dtype, jnp.float32)
    steps = math.ceil((lyapunov.BURN_IN + lyapunov.STEPS) / CHUNK) * CHUNK
    size = sum(leaf.size for leaf in leaves)
    growth_all = jnp.zeros((steps // lyapunov.EVERY_QR, size), jnp.float32)
    return Pair(
        done=~valid,
        a=carry,
        b=carry,
        tangent=_cast(tangent, dtype),
        growth=jnp.zeros(steps // lyapunov.EVERY, jnp.float32),
        frame=jnp.eye(size, dtype=wide) if spectrum else None,
        growth_all=growth_all if spectrum else None,
        first=jnp.full(criteria + 1, -1, jnp.int32),
        last_unmet=jnp.full(criteria + 1, -1, jnp.int32),
        distances=jnp.zeros(samples, wide),
        tail=jnp.full(TAIL, jnp.nan, wide),
        diverged=jnp.int32(-1),
    )


@PRECISION
def advance_device(
    parameters: Variables,
    pair: Pair,
    source: Source,
    x: tuple[jax.Array, ...],
    phase: Phase,
    samples: jax.Array,
    *,
    windows: tuple[Window, ...],
    cell: nn.Module,
    criteria: tuple[str, ...],
    dtype: str,
) -> Pair:
    """A device's pairs after a chunk with inputs x of each window, lane by lane.

    z of a lane is made where it is read, so it stays in the cache of a core.
    """

    def advance(lane: Any) -> Pair:
        index, parameters, pair, source = lane

        def advanced() -> Pair:
            z = source_lib.project_lane(
                source, index, x, windows=windows, cell=cell, dtype=dtype
            )
            return _advance_chunk(parameters, pair, z, phase, samples, cell, criteria)

        return lax.cond(pair.done, lambda: pair, advanced)

    indices = jnp.arange(len(pair.done))
    return lax.map(advance, (indices, parameters, pair, source))


@PRECISION
def advance_lane(
    parameters: Variables,
    pair: Pair,
    z: Projected,
    phase: Phase,
    samples: jax.Array,
    *,
    cell: nn.Module,
    criteria: tuple[str, ...],
) -> Pair:
    """The pair of a lane after a chunk of z `[CHUNK, ...]`, together with others.

    A lane that is done is computed and not kept: as a branch per lane, every loop
    within it would copy its whole outputs at every iteration.
    """
    new = _advance_chunk(parameters, pair, z, phase, samples, cell, criteria)
    return jax.tree.map(lambda x, old: jnp.where(pair.done, old, x), new, pair)


def _advance_chunk(
    parameters: Variables,
    pair: Pair,
    z: Projected,
    phase: Phase,
    samples: jax.Array,
    cell: nn.Module,
    criteria: tuple[str, ...],
) -> Pair:
    """The pair after a chunk; `samples` are the steps whose distance is kept."""
    apply: Callable[..., Any] = cell.apply

    def step(carry: Carry, row: Projected) -> tuple[Carry, jax.Array]:
        return apply(parameters, carry, row, method="step")

    # The phase is the same for every lane, so that this remains a branch.
    new = lax.cond(
        phase.exponent,
        lambda: _advance_tangents(step, pair, z, phase),
        lambda: pair,
    )
    return _advance(step, new, z, phase, samples, criteria)


def _advance(
    step: unroll.Step,
    pair: Pair,
    z: Projected,
    phase: Phase,
    samples: jax.Array,
    criteria: tuple[str, ...],
) -> Pair:
    """Both trajectories over a chunk, and the times, distances and status after it."""
    a, b, ya, yb = _loops().unroll_pair(
        step, pair.a, pair.b, z, phase.offset, phase.length
    )
    rows = jnp.arange(CHUNK)
    inside = rows < phase.length
    finite = jnp.all(jnp.isfinite(ya) & jnp.isfinite(yb), axis=-1) | ~inside
    all_finite_so_far = jnp.cumsum(~finite) == 0
    counted = inside & all_finite_so_far & phase.shared
    met = jnp.stack(
        [criteria_lib.get(name)(ya, yb) for name in (*criteria, "identical")]
    )
    first = phase.start + jnp.argmax(met & counted, axis=1)
    newly_met = (pair.first < 0) & jnp.any(met & counted, axis=1)
    unmet = jnp.where(counted & ~met, phase.start + rows, -1)

    distance = criteria_lib.distance(ya, yb)
    index = samples - phase.start
    sampled = phase.shared & (index >= 0) & (index < phase.length)
    at_samples = distance[jnp.clip(index, 0, CHUNK - 1)]
    new_tail = jnp.where(phase.shared, phase.length, 0)
    tail = jnp.concatenate([pair.tail, distance])

    ok = jnp.all(finite) & _all_finite(a) & _all_finite(b)
    last = jnp.minimum(jnp.sum(all_finite_so_far), phase.length - 1)
    diverged = jnp.where(ok, -1, phase.step + last)
    return pair._replace(
        done=(diverged >= 0) | (phase.may_stop & bitwise_equal(a, b)),
        a=a,
        b=b,
        first=jnp.where(newly_met, first, pair.first).astype(jnp.int32),
        last_unmet=jnp.maximum(pair.last_unmet, jnp.max(unmet, axis=1)).astype(
            jnp.int32
        ),
        distances=jnp.where(sampled, at_samples, pair.distances),
        tail=lax.dynamic_slice_in_dim(tail, new_tail, TAIL),
        diverged=diverged.astype(jnp.int32),
    )


def _advance_tangents(
    step: unroll.Step, pair: Pair, z: Projected, phase: Phase
) -> Pair:
    """The disturbances of sequence a over a chunk, and how much they grew."""

    def put(growth: jax.Array, new: jax.Array, every: int) -> jax.Array:
        return lax.dynamic_update_slice_in_dim(growth, new, phase.start // every, 0)

    loops = _loops()
    _, tangent, growth = loops.unroll_tangent(
        step, pair.a, pair.tangent, z, lyapunov.EVERY
    )
    pair = pair._replace(
        tangent=tangent, growth=put(pair.growth, growth, lyapunov.EVERY)
    )
    if pair.frame is None or pair.growth_all is None:
        return pair
    frame, growth = loops.unroll_frame(step, pair.a, pair.frame, z, lyapunov.EVERY_QR)
    growth_all = put(pair.growth_all, growth, lyapunov.EVERY_QR)
    return pair._replace(frame=frame, growth_all=growth_all)


def _loops() -> ModuleType:
    """The loops over time, in the form that the program is traced in."""
    return unroll_together if together() else unroll


def bitwise_equal(a: Any, b: Any) -> jax.Array:
    """Whether all leaves of two trees have the same bits."""

    def equal(x: jax.Array, y: jax.Array) -> jax.Array:
        bits = jnp.dtype(f"uint{x.dtype.itemsize * 8}")
        return jnp.all(
            lax.bitcast_convert_type(x, bits) == lax.bitcast_convert_type(y, bits)
        )

    same = map(equal, jax.tree.leaves(a), jax.tree.leaves(b))
    return functools.reduce(jnp.logical_and, same)


def _all_finite(tree: Any) -> jax.Array:
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]
    return functools.reduce(jnp.logical_and, finite)


def _cast[T](tree: T, dtype: str) -> T:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)
