"""Memory stability as an experiment: a group of lanes, and their rows.

A network with random weights reads two sequences of N(0, 1) inputs. Their first
`unique_steps` steps differ, all later ones are the same. From the first shared step
(index 0) on: when do the two outputs agree, by each of several criteria? (Muccino 2019)

Inputs are drawn, projected and read in chunks, so memory does not grow with the number
of steps. `pair` has the functions of one lane; this module maps them over lanes.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from rnnjax import networks
from rnnjax.cells import adapted
from rnnjax.cells.cell import Variables
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import criteria as criteria_lib
from rnnjax.memory_stability import lyapunov, pair, rows
from rnnjax.memory_stability import source as source_lib
from rnnjax.memory_stability.schema import CELL_NUMBERS, DEFAULT_CRITERIA, FRESH
from rnnjax.memory_stability.source import CHUNK, Phase
from rnnjax.memory_stability.summary import sample_steps
from rnnjax.results.schema import Row

DTYPES = ("float32", "float64", "bfloat16")
PROBED_STEPS = 8  # few: a chaotic network amplifies what is rounded differently


@dataclasses.dataclass(frozen=True)
class Point:
    """Where a lane stands in the grid, beside its seed.

    `options` are numeric options of the cell, such as `keep_bias`. Points of one group
    have the same ones.
    """

    input_size: int
    input_scale: float = 1.0
    options: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Stability:
    """The experiment for lanes that share cell, number of units and layers.

    It is an `engine.lanes.Experiment`.

    Attributes:
      cell: a linen module with the contract of `rnnjax.cells.cell`.
      points: where each lane stands.
      steps: steps of each sequence.
      unique_steps: steps at the start in which the two sequences differ.
      criteria: when outputs agree; see `criteria`.
      dtype: arithmetic of states and weights.
      full: compute all steps, also those of pairs whose states have become equal, whose
        remaining steps are known.
      spectrum: compute all Lyapunov exponents instead of the largest alone.
      weights: the variables of the network of each seed, instead of random ones.
      inputs: `inputs(key, steps)` gives inputs `[steps, I]` instead of N(0, 1) numbers.
      labels: entries that all rows have.
    """

    cell: nn.Module
    points: tuple[Point, ...]
    steps: int = 100_000
    unique_steps: int = 1_000
    criteria: tuple[str, ...] = DEFAULT_CRITERIA
    dtype: str = "float32"
    full: bool = False
    spectrum: bool = False
    weights: Mapping[int, Variables] | None = None
    inputs: Callable[[jax.Array, int], jax.Array] | None = None
    labels: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.criteria, str):
            raise ValueError(f"criteria must be a sequence, not {self.criteria!r}")
        for name in self.criteria:
            criteria_lib.get(name)
        narrowest = self.input_sizes[0]
        sizes = (self.unique_steps, self.steps, *self.input_sizes)
        whole = all(isinstance(value, int) for value in sizes)
        if not whole or not 0 < self.unique_steps < self.steps or narrowest < 1:
            raise ValueError(
                "need whole numbers 0 < unique_steps < steps and input_size > 0, not "
                f"{self.unique_steps}, {self.steps}, {narrowest}"
            )
        if self.dtype not in DTYPES or self.hidden_size < 1:
            kinds = ", ".join(DTYPES)
            need = f"at least one unit and a dtype of {kinds}"
            raise ValueError(f"need {need}, not {self.hidden_size}, {self.dtype}")
        if self.dtype == "float64" and not jax.config.jax_enable_x64:
            enable = "jax.config.update('jax_enable_x64', True)"
            raise ValueError(f"dtype float64 needs {enable} before")

    @property
    def hidden_size(self) -> int:
        return self.cell.hidden_size

    @property
    def layers(self) -> int:
        return networks.layer_count(self.cell)

    @functools.cached_property
    def input_sizes(self) -> tuple[int, ...]:
        """The numbers of inputs that lanes have, sorted."""
        return tuple(sorted({point.input_size for point in self.points}))

    @property
    def shared_steps(self) -> int:
        return self.steps - self.unique_steps

    @property
    def unique_chunks(self) -> int:
        """Chunks of the steps in which the sequences differ."""
        return math.ceil(self.unique_steps / (CHUNK // 2))

    @property
    def chunks(self) -> int:
        return self.unique_chunks + math.ceil(self.shared_steps / CHUNK)

    def phase(self, chunk: int) -> Phase:
        """Where a chunk lies in the run."""
        shared = chunk >= self.unique_chunks
        index = chunk - self.unique_chunks if shared else chunk
        chunk_steps = CHUNK if shared else CHUNK // 2
        start = index * chunk_steps
        end = self.shared_steps if shared else self.unique_steps
        exponent_end = min(lyapunov.BURN_IN + lyapunov.STEPS, self.shared_steps)
        may_stop = shared and start + chunk_steps >= exponent_end and not self.full
        return Phase(
            shared=np.bool_(shared),
            chunk=np.int32(index),
            offset=np.int32(0 if shared else chunk_steps),
            length=np.int32(min(chunk_steps, end - start)),
            start=np.int32(start),
            step=np.int32(start + shared * self.unique_steps),
            exponent=np.bool_(shared and start < exponent_end),
            may_stop=np.bool_(may_stop),
        )

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ) -> pair.State:
        """The state before the first step.

        Raises ArithmeticError if the compiled program does not keep equal states equal.
        """
        points = [self.points[k] for k in lane_indices]
        sizes = [self.input_sizes.index(point.input_size) for point in points]
        options = {
            name: np.asarray([point.options[name] for point in points], np.float32)
            for name in points[0].options
        }
        given = None
        if self.weights is not None:
            by_lane = [self.weights[int(seed)] for seed in seeds]
            given = jax.tree.map(lambda *leaves: np.stack(leaves), *by_lane)
        lane = source_lib.Lane(
            seed=seeds,
            valid=valid,
            size=np.asarray(sizes, np.int32),
            scale=np.asarray([point.input_scale for point in points], np.float32),
            options=options,
            given=given,
        )
        init = mesh.map_devices(
            pair.init_device,
            windows=self._windows(mesh, lane.size),
            cell=self.cell,
            criteria=len(self.criteria),
            samples=len(sample_steps(self.shared_steps)),
            dtype=self.dtype,
            spectrum=self.spectrum,
        )
        state = init((mesh.place(lane),), ())
        # On the host, as programs depend on it.
        state = state._replace(source=state.source._replace(size=lane.size))
        if mesh.runs:
            self._check(mesh, state)
        return state

    def advance(self, mesh: Mesh, state: pair.State, chunk: int) -> pair.State:
        return state._replace(pair=self._advance(mesh, state, self.phase(chunk)))

    def probe(self, mesh: Mesh, state: pair.State) -> pair.State:
        """The state after the first steps; see `engine.trust`."""
        phase = self.phase(0)._replace(length=np.int32(PROBED_STEPS))
        return state._replace(pair=self._advance(mesh, state, phase))

    def done(self, state: pair.State) -> jax.Array:
        return state.pair.done

    def finish(self, state: pair.State, lane: int) -> Row:
        """The row of a lane; `schema.KEYS` says what its entries mean."""
        point = self.points[lane]
        rest = state.pair._replace(a=(), b=(), tangent=())
        measured = jax.tree.map(lambda leaf: leaf[lane], rest)
        return {
            "weights": FRESH,
            **self.labels,
            "input_size": point.input_size,
            "hidden_size": self.hidden_size,
            "layers": self.layers,
            "input_scale": point.input_scale,
            **{name: point.options.get(name) for name in CELL_NUMBERS},
            "steps": self.steps,
            "unique_steps": self.unique_steps,
            "shared_steps": self.shared_steps,
            "dtype": self.dtype,
            **rows.measurements(self, measured),
        }

    def _windows(self, mesh: Mesh, size: Any) -> tuple[source_lib.Window, ...]:
        """The windows of lanes `[L]` on each device."""
        sizes = np.asarray(size).reshape(len(mesh.devices), -1)
        return source_lib.windows(self.input_sizes, sizes)

    def _advance(self, mesh: Mesh, state: pair.State, phase: Phase) -> pair.Pair:
        parameters, source = state.parameters, state.source
        windows = self._windows(mesh, source.size)
        draw = mesh.map_devices(
            source_lib.draw_device,
            windows=windows,
            inputs=self.inputs,
        )
        x = draw((state.pair.done, source.keys), (phase,))
        shared = phase, sample_steps(self.shared_steps).astype(np.int32)
        made = {"cell": self.cell, "dtype": self.dtype, "windows": windows}
        if not mesh.together:
            advance = mesh.map_devices(
                pair.advance_device, criteria=self.criteria, **made
            )
            return advance((parameters, state.pair, source, x), shared)
        z = mesh.map_devices(source_lib.project_device, **made)((source, x), ())
        advance = mesh.map_lanes(
            pair.advance_lane, cell=self.cell, criteria=self.criteria
        )
        return advance((parameters, state.pair, z), shared)

    def _check(self, mesh: Mesh, state: pair.State) -> None:
        """Runs the compiled program on equal states, which must stay bitwise equal.

        If they do not, no time that the program measures means anything.
        """
        shapes = jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), state.pair)
        key = (mesh, self.cell, self.criteria, str(shapes))
        if key in _CHECKED:
            return
        length = np.int32(CHUNK)
        phase = self.phase(self.unique_chunks)._replace(length=length)
        after = self._advance(mesh, state, phase)
        states = _bitwise_equal(after.a, after.b)
        outputs = np.asarray(after.last_unmet)[:, -1] < 0
        diverged = np.asarray(after.diverged) >= 0
        if not np.all(states & (outputs | diverged)):
            name = type(self.cell).__name__
            raise ArithmeticError(
                f"equal states did not stay equal through {name} with "
                f"{self.hidden_size} units: the compiled program treats its two "
                "sequences differently, so its times mean nothing"
            )
        _CHECKED.add(key)


_CHECKED: set[tuple[Any, ...]] = set()


def _bitwise_equal(a: Any, b: Any) -> np.ndarray:
    """Whether all arrays `[L, ...]` of two trees have the same bits, bool `[L]`."""

    def bits(leaf: jax.Array) -> np.ndarray:
        return np.asarray(leaf).reshape(len(leaf), -1).view(np.uint8)

    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b))
    return np.all([np.all(bits(x) == bits(y), axis=1) for x, y in pairs], axis=0)


def measure(
    cell: nn.Module,
    input_size: int,
    *,
    seeds: int = 10,
    first_seed: int = 0,
    input_scale: float = 1.0,
    options: Mapping[str, float] | None = None,
    steps: int = 100_000,
    unique_steps: int = 1_000,
    criteria: tuple[str, ...] = DEFAULT_CRITERIA,
    dtype: str = "float32",
    full: bool = False,
    spectrum: bool = False,
    weights: Mapping[int, Variables] | None = None,
    inputs: Callable[[jax.Array, int], jax.Array] | None = None,
    mesh: Mesh | None = None,
) -> list[Row]:
    """Measures the memory of one module: a row a seed, with the keys of `schema.KEYS`.

    `cell` is a linen module with the contract of `rnnjax.cells.cell`, or a cell of
    Flax. `input_scale` is the standard deviation of its inputs, `options` are numbers
    such as `keep_bias` in place of the cell's own; the other arguments are attributes
    of `Stability`. `rnnjax.measure.memory_stability` measures a grid of sizes.

    Raises ValueError for settings that leave nothing to measure, and ArithmeticError if
    the compiled program does not keep equal states equal.
    """
    if seeds < 1:
        raise ValueError(f"need at least one seed, not {seeds}")
    every = tuple(range(first_seed, first_seed + seeds))
    name = type(cell).__name__
    experiment = Stability(
        adapted.adapt_made(cell),
        points=(Point(input_size, input_scale, options or {}),) * seeds,
        steps=steps,
        unique_steps=unique_steps,
        criteria=criteria,
        dtype=dtype,
        full=full,
        spectrum=spectrum,
        weights=weights,
        inputs=inputs,
        labels={"benchmark": "memory_stability", "cell": name},
    )
    group = lanes.Group("measure", experiment, every)
    return lanes.run_group(group, mesh or Mesh.local()).rows
