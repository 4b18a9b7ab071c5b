"""What lanes read: inputs, drawn chunk by chunk and projected.

The lanes of a group have networks of one number of units and may differ in their number
of inputs, on which the projection alone depends: it maps inputs of any size to z of the
same shape. So one recurrence serves them all.

The lanes of a device that have k inputs lie within a window of its lanes, and what
depends on k is computed window by window. For example, lanes that have 2, 2, 4, 4, 4
inputs have the windows 0:2 and 2:5. A window is a loop of its own, so that a lane has
the same bits whatever lanes of other sizes are beside it. Weights of the projection are
kept in one array, padded with zeros to the widest.

Inputs are drawn in blocks of CHUNK // 2 steps from keys that depend on the seed alone:
seed 7 alone equals seed 7 among ten, and a run of 3,000 steps is the start of one of
100,000. The inputs of a narrow network are the first inputs of a wide one, but for the
last bit.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from jax import lax

from rnnjax.cells import cell as cell_lib
from rnnjax.cells.cell import Projected, Variables
from rnnjax.engine.mesh import together

# TF32 on a GPU or bfloat16 on a TPU would decide when two outputs agree.
PRECISION = jax.default_matmul_precision("highest")
CHUNK = 1000
ROOT = 20190402

Inputs = Callable[[jax.Array, int], jax.Array]
Scalar = Any  # of NumPy on the host, traced on devices


class Phase(NamedTuple):
    """Where a chunk lies in the run.

    These values are common to all lanes, and traced, so one program serves all chunks.
    """

    shared: Scalar  # bool, the two sequences read the same inputs
    chunk: Scalar  # index of the chunk within its phase
    offset: Scalar  # row of the first step of sequence b
    length: Scalar  # steps of this chunk
    start: Scalar  # index of its first step within its phase
    step: Scalar  # index of its first step within the whole sequence
    exponent: Scalar  # bool, the exponents need this chunk
    may_stop: Scalar  # bool, a pair with equal states is done after this chunk


class Lane(NamedTuple):
    """What makes a lane: its seed, and its point in the grid."""

    seed: Scalar
    valid: Scalar  # bool; padding is not, and done at once
    size: Scalar  # index of the window that it is of
    scale: Scalar  # standard deviation of the inputs
    options: dict[str, Scalar]  # numeric options of the cell, such as `keep_bias`
    given: Variables | None  # weights in place of random ones


class Keys(NamedTuple):
    """The random keys of a lane. All of them depend on its seed alone."""

    weights: jax.Array
    unique_a: jax.Array
    unique_b: jax.Array
    shared: jax.Array
    disturbance: jax.Array


class Window(NamedTuple):
    """The lanes `start:end` of a device, all with `input_size` inputs among them."""

    input_size: int
    start: int
    end: int


class Source(NamedTuple):
    """What inputs are made from: the only part of a lane that depends on their size."""

    keys: Keys
    size: Scalar  # index of the window that the lane is of
    scale: Scalar  # standard deviation of the inputs
    parameters: Variables  # of the cell's projection, padded


def make_keys(seed: Scalar) -> Keys:
    """The keys of a seed."""
    root = jax.random.fold_in(jax.random.key(ROOT, impl="threefry2x32"), seed)
    return Keys(*(jax.random.fold_in(root, k) for k in range(len(Keys._fields))))


def windows(input_sizes: tuple[int, ...], sizes: np.ndarray) -> tuple[Window, ...]:
    """The windows of lanes whose `sizes` `[devices, lanes]` index `input_sizes`.

    They are the same on every device. A window has two lanes at least, if there are as
    many: XLA compiles a loop over one lane as straight code, which rounds differently.
    """
    count, out = sizes.shape[1], []
    for k, input_size in enumerate(input_sizes):
        found = np.flatnonzero(np.any(sizes == k, axis=0))
        start, end = (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)
        if end - start < 2:
            start = max(0, min(start, count - 2))
            end = min(start + 2, count)
        out.append(Window(input_size, start, end))
    return tuple(out)


def weights(
    lane: Lane,
    *,
    cell: nn.Module,
    input_size: int,
    input_sizes: tuple[int, ...],
    dtype: str,
) -> tuple[Variables, Variables]:
    """The weights of a lane's projection, padded for all sizes, and of its step.

    They are those given, or random ones, which are drawn in float32 for every dtype:
    the network is the same.
    """
    variables = lane.given
    if variables is None:
        drawn = cell.with_options(**lane.options) if lane.options else cell
        key = make_keys(lane.seed).weights
        variables = cell_lib.initialize(drawn, key, input_size)
    split = cell_lib.split_parameters(cell, variables, input_size)
    to_project, to_step = jax.tree.map(lambda leaf: leaf.astype(dtype), split)
    return _padded(to_project, _every_projection(cell, input_sizes)), to_step


def draw_device(
    done: jax.Array,
    keys: Keys,
    phase: Phase,
    *,
    windows: tuple[Window, ...],
    inputs: Inputs | None,
) -> tuple[jax.Array, ...]:
    """The inputs of a device's lanes: an array `[lanes, CHUNK, I]` for each window."""

    def of_size(input_size: int, lane: Any) -> jax.Array:
        done, keys = lane
        return _unless(done, lambda: draw(keys, phase, input_size, inputs))

    return tuple(by_window(of_size, windows, split((done, keys), windows)))


@PRECISION
def project_device(
    source: Source,
    x: tuple[jax.Array, ...],
    *,
    windows: tuple[Window, ...],
    cell: nn.Module,
    dtype: str,
) -> Projected:
    """The projected inputs z `[L, CHUNK, ...]` of a device's lanes, all at once.

    x are the inputs of each window. A chunk of a lane is one product.
    """

    def of_size(input_size: int, lane: Any) -> Projected:
        (_, _, scale, padded), x = lane
        return _projected(padded, scale, x, cell, input_size, dtype)

    lanes = list(zip(split(source, windows), x))
    parts = by_window(of_size, windows, lanes)
    return in_order(parts, windows, source.size)


def project_lane(
    source: Source,
    index: jax.Array,
    x: tuple[jax.Array, ...],
    *,
    windows: tuple[Window, ...],
    cell: nn.Module,
    dtype: str,
) -> Projected:
    """z `[CHUNK, ...]` of the lane with this index on its device, by its size."""

    def of_window(window: Window, x: jax.Array) -> Projected:
        rows = lax.dynamic_index_in_dim(x, index - window.start, keepdims=False)
        made = source.parameters, source.scale, rows
        return _projected(*made, cell, window.input_size, dtype)

    branches = [
        functools.partial(of_window, window, some) for window, some in zip(windows, x)
    ]
    return lax.switch(source.size, branches)


def _projected(
    padded: Variables,
    scale: jax.Array,
    x: jax.Array,
    cell: nn.Module,
    input_size: int,
    dtype: str,
) -> Projected:
    # Behind a barrier: if the cut is compiled into the product of one input, it decides
    # how that is rounded.
    parameters = lax.optimization_barrier(_cut(padded, _projection(cell, input_size)))
    return cell.apply(parameters, (scale * x).astype(dtype), method="project")


def in_order(parts: Sequence[Any], windows: tuple[Window, ...], size: jax.Array) -> Any:
    """What was computed in each window, `[L, ...]` in the order of the lanes."""
    joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
    starts, ends = [w.start for w in windows], [w.end for w in windows]
    if starts == [0, *ends[:-1]]:
        return joined
    before = np.cumsum([0, *(w.end - w.start for w in windows[:-1])])
    rows = jnp.arange(len(size)) + jnp.asarray(before - np.asarray(starts))[size]
    return jax.tree.map(lambda leaf: leaf[rows], joined)


def by_window(
    function: Callable[[int, Any], Any],
    windows: tuple[Window, ...],
    lanes: Sequence[Any],
) -> list[Any]:
    """`function(input_size, lane)` of the lanes of each window, in a loop each."""
    return [
        over_lanes(functools.partial(function, window.input_size), some)
        for window, some in zip(windows, lanes)
    ]


def draw(
    keys: Keys, phase: Phase, input_size: int, inputs: Inputs | None = None
) -> jax.Array:
    """The inputs x `[CHUNK, I]` of a chunk: two blocks of CHUNK // 2 steps."""

    def block(unique: jax.Array, k: int) -> jax.Array:
        shared = jax.random.fold_in(keys.shared, 2 * phase.chunk + k)
        own = jax.random.fold_in(unique, phase.chunk)
        key = jnp.where(phase.shared, shared, own)
        if inputs is not None:
            return inputs(key, CHUNK // 2).T
        # Input by input: the counter-based generator then gives narrow and wide
        # networks the same first inputs.
        return jax.random.normal(key, (input_size, CHUNK // 2), jnp.float32)

    # Joined before they are transposed: the other way round, the compiler for TPUs runs
    # out of memory.
    return jnp.concatenate([block(keys.unique_a, 0), block(keys.unique_b, 1)], axis=1).T


def over_lanes(function: Callable[[Any], Any], lanes: Any) -> Any:
    """`function` of each lane: one after another, or all at once."""
    return jax.vmap(function)(lanes) if together() else lax.map(function, lanes)


def split(lanes: Any, windows: tuple[Window, ...]) -> list[Any]:
    """The lanes of each window, of lanes `[L, ...]`."""
    return [
        jax.tree.map(lambda leaf, w=window: leaf[w.start : w.end], lanes)
        for window in windows
    ]


def _unless(done: jax.Array, function: Callable[[], Any]) -> Any:
    """`function()`; zeros for a lane that advances alone and is done."""
    if together():
        return function()
    shapes = jax.eval_shape(function)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return lax.cond(done, lambda: zeros, function)


@functools.lru_cache(maxsize=256)
def _projection(cell: nn.Module, input_size: int) -> Any:
    """The shapes of the projection's weights."""

    def parameters() -> Variables:
        variables = cell_lib.initialize(cell, jax.random.key(0), input_size)
        return cell_lib.split_parameters(cell, variables, input_size)[0]

    return jax.eval_shape(parameters)


def _every_projection(cell: nn.Module, input_sizes: tuple[int, ...]) -> Any:
    """The least shapes into which the weights of each of these sizes fit.

    A cell may have a weight for some sizes only, such as those that are not its number
    of units.
    """
    shapes: dict[Any, tuple[int, ...]] = {}
    for input_size in input_sizes:
        for path, leaf in flatten_dict(_projection(cell, input_size)).items():
            known = shapes.get(path, leaf.shape)
            shapes[path] = tuple(map(max, known, leaf.shape))
    return shapes


def _padded(variables: Variables, shapes: dict[Any, tuple[int, ...]]) -> Variables:
    """Weights with zeros up to these shapes, by path; all zeros if there are none."""
    flat, out = flatten_dict(variables), {}
    for path, shape in shapes.items():
        dtype = next(iter(flat.values())).dtype
        leaf = flat.get(path, jnp.zeros((0,) * len(shape), dtype))
        pad = [(0, size - n) for n, size in zip(leaf.shape, shape)]
        out[path] = jnp.pad(leaf, pad)
    return unflatten_dict(out)


def _cut(padded: Variables, shapes: Any) -> Variables:
    """The weights of these shapes, without padding."""
    flat, out = flatten_dict(padded), {}
    for path, leaf in flatten_dict(shapes).items():
        out[path] = flat[path][tuple(slice(n) for n in leaf.shape)]
    return unflatten_dict(out)
