"""Memory stability as an experiment: a group of lanes, and their rows.

A network with random weights reads two sequences of N(0, 1) inputs. Their first
`unique_steps` steps differ, all later ones are the same. From the first shared step
(index 0) on: when do the two outputs agree, by each of several criteria? (Muccino 2019)

Inputs are drawn, projected and read in chunks, so memory does not grow with the number
of steps. `pair` has the functions of one lane; this module maps them over lanes.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from rnnjax import networks
from rnnjax.cells.cell import Projected, Variables
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import criteria as criteria_lib
from rnnjax.memory_stability import lyapunov, pair, rows
from rnnjax.memory_stability.schema import FRESH
from rnnjax.memory_stability.summary import sample_steps
from rnnjax.results.schema import Row

DTYPES = ("float32", "float64", "bfloat16")
DEFAULT_CRITERIA = ("identical", "cosine", "1e-2", "1e-4", "1e-6")


class State(NamedTuple):
    """The state of a group; every leaf is `[L, ...]`."""

    source: pair.Source
    parameters: Variables  # of the cell's step
    pair: pair.Pair


@dataclasses.dataclass(frozen=True)
class Stability:
    """The experiment for one cell, number of units and input size.

    It is an `engine.lanes.Experiment`.

    Attributes:
      cell: a linen module with the contract of `rnnjax.cells.cell`.
      input_size: numbers the network reads a step.
      steps: steps of each sequence.
      unique_steps: steps at the start in which the two sequences differ.
      criteria: when outputs agree; see `criteria`.
      dtype: arithmetic of states and weights.
      input_scale: standard deviation of the inputs.
      traced_options: numeric options of the cell, such as `keep_bias`, whose values
        share one program.
      full: compute all steps, also those of pairs whose states have become equal, whose
        remaining steps are known.
      spectrum: compute all Lyapunov exponents instead of the largest alone.
      weights: the variables of the network of each seed, instead of random ones.
      inputs: `inputs(key, steps)` gives inputs `[steps, I]` instead of N(0, 1) numbers.
      labels: entries that all rows have.
    """

    cell: nn.Module
    input_size: int
    steps: int = 100_000
    unique_steps: int = 1_000
    criteria: tuple[str, ...] = DEFAULT_CRITERIA
    dtype: str = "float32"
    input_scale: float = 1.0
    traced_options: Mapping[str, float] = dataclasses.field(default_factory=dict)
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
        sizes = (self.unique_steps, self.steps, self.input_size)
        whole = all(isinstance(value, int) for value in sizes)
        if not whole or not 0 < self.unique_steps < self.steps or self.input_size < 1:
            raise ValueError(
                "need whole numbers 0 < unique_steps < steps and input_size > 0, not "
                f"{self.unique_steps}, {self.steps}, {self.input_size}"
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

    @property
    def shared_steps(self) -> int:
        return self.steps - self.unique_steps

    @property
    def unique_chunks(self) -> int:
        """Chunks of the steps in which the sequences differ."""
        return math.ceil(self.unique_steps / (pair.CHUNK // 2))

    @property
    def chunks(self) -> int:
        return self.unique_chunks + math.ceil(self.shared_steps / pair.CHUNK)

    def phase(self, chunk: int) -> pair.Phase:
        """Where a chunk lies in the run."""
        shared = chunk >= self.unique_chunks
        index = chunk - self.unique_chunks if shared else chunk
        chunk_steps = pair.CHUNK if shared else pair.CHUNK // 2
        start = index * chunk_steps
        end = self.shared_steps if shared else self.unique_steps
        exponent_end = min(lyapunov.BURN_IN + lyapunov.STEPS, self.shared_steps)
        may_stop = shared and start + chunk_steps >= exponent_end and not self.full
        return pair.Phase(
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
    ) -> State:
        """The state before the first step.

        Raises ArithmeticError if the compiled program does not keep equal states equal.
        """
        del lane_indices  # lanes differ in their seeds alone
        scale = np.full(len(seeds), self.input_scale, np.float32)
        keys = mesh.map_lanes(pair.make_keys)((mesh.place(seeds),), ())
        to_project, to_step = self._weights(mesh, seeds, keys)
        placed_scale: Any = mesh.place(scale)
        init_pair = mesh.map_lanes(
            pair.init_pair,
            cell=self.cell,
            criteria=len(self.criteria),
            samples=len(sample_steps(self.shared_steps)),
            dtype=self.dtype,
            spectrum=self.spectrum,
        )
        start = init_pair((mesh.place(valid), keys.disturbance, to_step), ())
        source = pair.Source(keys, placed_scale, to_project)
        state = State(source, to_step, start)
        self._check(mesh, state)
        return state

    def _weights(
        self, mesh: Mesh, seeds: np.ndarray, keys: pair.Keys
    ) -> tuple[Variables, Variables]:
        """Weights `[L, ...]` of the projection and of the step."""
        static = {
            "cell": self.cell,
            "input_size": self.input_size,
            "dtype": self.dtype,
        }
        if self.weights is None:
            options = {
                name: np.full(len(seeds), value, np.float32)
                for name, value in self.traced_options.items()
            }
            draw = mesh.map_lanes(pair.init_weights, **static)
            return draw((keys.weights, mesh.place(options)), ())
        by_lane = [self.weights[int(seed)] for seed in seeds]
        given = jax.tree.map(lambda *leaves: np.stack(leaves), *by_lane)
        split = mesh.map_lanes(pair.split_weights, **static)
        return split((mesh.place(given),), ())

    def advance(self, mesh: Mesh, state: State, chunk: int) -> State:
        z = self._inputs(mesh, state, chunk)
        return state._replace(pair=self._advance(mesh, state, z, self.phase(chunk)))

    def done(self, state: State) -> jax.Array:
        return state.pair.done

    def finish(self, state: State, lane: int) -> Row:
        """The row of a lane; `schema.KEYS` says what its entries mean."""
        rest = state.pair._replace(a=(), b=(), tangent=())
        measured = jax.tree.map(lambda leaf: leaf[lane], rest)
        return {
            "weights": FRESH,
            **self.labels,
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "layers": self.layers,
            "steps": self.steps,
            "unique_steps": self.unique_steps,
            "shared_steps": self.shared_steps,
            "dtype": self.dtype,
            **rows.measurements(self, measured),
        }

    def _inputs(self, mesh: Mesh, state: State, chunk: int) -> Projected:
        """The projected inputs z of a chunk, `[L, CHUNK, ...]`."""
        source, done, phase = state.source, state.pair.done, self.phase(chunk)
        draw = mesh.map_lanes(
            pair.draw_inputs,
            inputs=self.inputs,
            input_size=self.input_size,
            together=mesh.together,
        )
        x = draw((done, source.keys), (phase,))
        project = mesh.map_lanes(
            pair.project, cell=self.cell, dtype=self.dtype, together=mesh.together
        )
        return project((done, source.parameters, source.scale, x), ())

    def _advance(
        self, mesh: Mesh, state: State, z: Projected, phase: pair.Phase
    ) -> pair.Pair:
        samples = sample_steps(self.shared_steps).astype(np.int32)
        advance = mesh.map_lanes(
            pair.advance_pair,
            cell=self.cell,
            criteria=self.criteria,
            together=mesh.together,
        )
        return advance((state.parameters, state.pair, z), (phase, samples))

    def _check(self, mesh: Mesh, state: State) -> None:
        """Runs the compiled program on equal states, which must stay bitwise equal.

        If they do not, no time that the program measures means anything.
        """
        shapes = jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), state.pair)
        key = (mesh, self.cell, self.criteria, str(shapes))
        if key in _CHECKED:
            return
        z = self._inputs(mesh, state, self.unique_chunks)
        length = np.int32(pair.CHUNK)
        phase = self.phase(self.unique_chunks)._replace(length=length)
        after = self._advance(mesh, state, z, phase)
        states = np.asarray(jax.vmap(pair.bitwise_equal)(after.a, after.b))
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


def measure(
    cell: nn.Module,
    input_size: int,
    *,
    seeds: int = 10,
    first_seed: int = 0,
    mesh: Mesh | None = None,
    **settings: Any,
) -> list[Row]:
    """Measures the memory of a cell: one row a seed, with the keys of `schema.KEYS`.

    `cell` is a linen module with the contract of `rnnjax.cells.cell`; `settings` are
    the attributes of `Stability`, such as `steps`. `results.rows.columns` turns the
    rows into arrays.

    Raises ValueError for settings that leave nothing to measure, and ArithmeticError if
    the compiled program does not keep equal states equal.
    """
    labels = {"benchmark": "memory_stability", "cell": type(cell).__name__}
    experiment = Stability(cell, input_size, **{"labels": labels, **settings})
    if seeds < 1:
        raise ValueError(f"need at least one seed, not {seeds}")
    every = tuple(range(first_seed, first_seed + seeds))
    group = lanes.Group("measure", experiment, every)
    return lanes.run_group(group, mesh or Mesh.local()).rows
