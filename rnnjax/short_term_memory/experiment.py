"""The experiment: a network reads independent inputs, and its states are kept.

A network starts at its initial state and reads I independent inputs a step, uniform on
[-1, 1] or normal, times `scale`. Once all steps are made, `measure` gets the inputs
(not scaled) and the states and outputs of all steps, on the host, and makes the values
of a row.

With `impulse` a network reads nothing during the washout, and what is kept then is the
derivative of the states by the size of one input, which comes after it: column k says
what an input leaves after k steps. It is exact for a linear network, and the response
to a small input for others.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import threadpoolctl
from flax import linen as nn

from rnnjax import networks
from rnnjax.cells import cell as cell_lib
from rnnjax.cells.cell import Carry, Variables
from rnnjax.engine import unroll
from rnnjax.engine.mesh import Mesh
from rnnjax.results.schema import Row
from rnnjax.short_term_memory.readout import Kept

# TF32 on a GPU or bfloat16 on a TPU would hide what is old.
PRECISION = jax.default_matmul_precision("highest")
CHUNK = 1000
PROBED_STEPS = 8
ROOT = 20010312

DISTRIBUTIONS: dict[str, Callable[[jax.Array, tuple[int, ...]], jax.Array]] = {
    "uniform": lambda key, shape: jax.random.uniform(
        key, shape, jnp.float32, minval=-1
    ),
    "normal": lambda key, shape: jax.random.normal(key, shape, jnp.float32),
}


class State(NamedTuple):
    """The state of lanes.

    `kept` has the inputs `[..., T, I]`, states (a tree of arrays `[..., T, H]`) and
    outputs `[..., T, H]`: of all steps, in NumPy arrays on the host, or of one chunk
    within a program.
    """

    done: jax.Array
    seed: jax.Array
    key: jax.Array
    variables: Variables
    carry: Carry
    tangent: Carry
    kept: tuple[Any, Any, Any] | None


Measure = Callable[[Kept, int], Mapping[str, Any]]  # of all steps, and the seed


@dataclasses.dataclass(frozen=True)
class Driven:
    """Networks that read independent inputs; see `engine.lanes.Experiment`.

    Attributes:
      cell: a linen module with the contract of `cells.cell`.
      steps: steps of a run.
      measure: makes the values of a row of what was kept.
      input_size: I.
      scale: what inputs are multiplied with.
      distribution: of the inputs, a name in `DISTRIBUTIONS`.
      impulse: the steps of the washout if the response to an impulse is kept, or None.
      options: numbers of the cell, such as `recurrent_gain`.
      dtype: arithmetic of states and weights.
      weights: the variables of the network of each seed, instead of random ones.
      labels: entries that all rows have.
    """

    cell: nn.Module
    steps: int
    measure: Measure
    input_size: int = 1
    scale: float = 1.0
    distribution: str = "uniform"
    impulse: int | None = None
    options: Mapping[str, float] = dataclasses.field(default_factory=dict)
    dtype: str = "float32"
    weights: Mapping[int, Variables] | None = None
    labels: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def chunks(self) -> int:
        return math.ceil(self.steps / CHUNK)

    @property
    def _static(self) -> dict[str, Any]:
        names = ("cell", "input_size", "dtype")
        return {name: getattr(self, name) for name in names}

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ) -> State:
        del lane_indices
        given = None
        if self.weights is not None:
            by_lane = [self.weights[int(seed)] for seed in seeds]
            given = jax.tree.map(lambda *leaves: np.stack(leaves), *by_lane)
        options = {name: np.float32(value) for name, value in self.options.items()}
        start = mesh.map_lanes(_init, **self._static)
        state = start(mesh.place((seeds, valid, given)), (options,))

        def zeros(size: int, dtype: Any) -> np.ndarray:
            return np.zeros((len(seeds), self.steps, size), dtype)

        if mesh.runs:
            u = zeros(self.input_size, np.float32)
            x = jax.tree.map(lambda leaf: zeros(leaf.shape[1], leaf.dtype), state.carry)
            state = state._replace(
                kept=(u, x, zeros(self.cell.hidden_size, self.dtype))
            )
        return state

    def advance(self, mesh: Mesh, state: State, chunk: int) -> State:
        """The state after 1,000 more steps, of which all is kept."""
        last = np.bool_(chunk == self.chunks - 1)
        if self.impulse is None:
            advance = mesh.map_lanes(
                _advance, distribution=self.distribution, **self._static
            )
            shared: Any = (np.int32(chunk), last, np.float32(self.scale))
        else:
            advance = mesh.map_lanes(_respond, **self._static)
            shared = (np.int32(self.impulse - chunk * CHUNK), last)
        state, kept = advance((state._replace(kept=None),), shared), state.kept
        if mesh.runs:
            steps = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            for whole, part in zip(jax.tree.leaves(kept), jax.tree.leaves(state.kept)):
                left = whole[:, steps]
                left[:] = np.asarray(part)[:, : left.shape[1]]
        return state._replace(kept=kept)

    def probe(self, mesh: Mesh, state: State) -> State:
        """The state after the first steps; see `engine.trust`."""
        after = self.advance(mesh, state, 0)
        first = jax.tree.map(lambda leaf: leaf[:, :PROBED_STEPS], after.kept)
        return state._replace(kept=first)

    def done(self, state: State) -> jax.Array:
        return state.done

    def finish(self, state: State, lane: int) -> Row:
        """The row of a lane; see `schema.KEYS`."""
        kept = self.of_lane(state, lane)
        finite = np.isfinite(kept.x).all(axis=1) & np.isfinite(kept.y).all(axis=1)
        diverged = None if finite.all() else int(np.argmin(finite))
        row: dict[str, Any] = {
            **self.labels,
            "input_size": self.input_size,
            "hidden_size": self.cell.hidden_size,
            "layers": networks.layer_count(self.cell),
            "state_size": kept.x.shape[1],
            "status": "measured" if diverged is None else "diverged",
            "diverged_step": diverged,
        }
        if diverged is None:
            with threadpoolctl.threadpool_limits(1, "blas"):
                row |= self.measure(kept, int(state.seed[lane]))
        return row

    def of_lane(self, state: State, lane: int) -> Kept:
        """All that was kept of a lane; x is one array `[steps, S]`."""
        u, x, y = jax.tree.map(lambda leaf: leaf[lane], state.kept)
        return Kept(u, np.concatenate(jax.tree.leaves(x), axis=1), y)


def _init(
    seed: jax.Array,
    valid: jax.Array,
    given: Variables | None,
    options: Mapping[str, jax.Array],
    *,
    cell: nn.Module,
    input_size: int,
    dtype: str,
) -> State:
    """The state of a lane before its first step; a padding lane is like others."""
    root = jax.random.fold_in(jax.random.key(ROOT, impl="threefry2x32"), seed)
    weights_key, inputs_key = (jax.random.fold_in(root, k) for k in range(2))
    variables = given
    if variables is None:
        drawn = cell.with_options(**options) if options else cell
        variables = cell_lib.initialize(drawn, weights_key, input_size)
    variables = jax.tree.map(lambda leaf: leaf.astype(dtype), variables)
    carry = cell.apply(variables, method="initial_carry")
    carry = jax.tree.map(lambda leaf: leaf.astype(dtype), carry)
    tangent = jax.tree.map(jnp.zeros_like, carry)
    return State(~valid, seed, inputs_key, variables, carry, tangent, None)


@PRECISION
def _advance(
    state: State,
    chunk: jax.Array,
    last: jax.Array,
    scale: jax.Array,
    *,
    cell: nn.Module,
    input_size: int,
    distribution: str,
    dtype: str,
) -> State:
    """A chunk of a lane with drawn inputs."""
    key = jax.random.fold_in(state.key, chunk)
    u = DISTRIBUTIONS[distribution](key, (CHUNK, input_size))
    z = cell.apply(state.variables, (scale * u).astype(dtype), method="project")
    step = functools.partial(_step, cell, state.variables)
    carry, (x, y) = unroll.trajectory(step, state.carry, z)
    done = state.done | last
    return state._replace(done=done, carry=carry, kept=(u, x, y))


@PRECISION
def _respond(
    state: State,
    impulse: jax.Array,
    last: jax.Array,
    *,
    cell: nn.Module,
    input_size: int,
    dtype: str,
) -> State:
    """A chunk of a lane without inputs, and the response to an impulse.

    `impulse` is the step of the impulse, counted from the first of this chunk.
    """

    def project(u: jax.Array) -> Any:
        return cell.apply(state.variables, u, method="project")

    at = (jnp.arange(CHUNK) == impulse).astype(dtype)
    u = jnp.broadcast_to(at[:, None], (CHUNK, input_size))
    z, dz = jax.jvp(project, (jnp.zeros_like(u),), (u,))
    step = functools.partial(_step, cell, state.variables)
    carry, tangent, (x, y) = unroll.response(step, state.carry, state.tangent, z, dz)
    done = state.done | last
    return state._replace(done=done, carry=carry, tangent=tangent, kept=(u, x, y))


def _step(
    cell: nn.Module, variables: Variables, carry: Carry, z: Any
) -> tuple[Carry, jax.Array]:
    apply: Callable[..., Any] = cell.apply
    return apply(variables, carry, z, method="step")
