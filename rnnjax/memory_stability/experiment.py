"""For how many steps does a different past still show in the output? (Muccino 2019)

A network with fresh random weights runs on two sequences of N(0, 1) inputs. Their first `unique_steps` steps differ,
the rest is shared. Counted from the first shared step (index 0): when do the two outputs agree, for each of several
criteria?

Inputs are drawn, projected and consumed in chunks, so memory does not grow with the number of steps. What happens inside a lane is
in `pairs`; here is how a group of lanes is set up, checked, advanced and turned into rows.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from rnnjax import networks
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import criteria as criteria_lib
from rnnjax.memory_stability import lyapunov
from rnnjax.memory_stability import pair as pairs

DTYPES = ("float32", "float64", "bfloat16")
DEFAULT_CRITERIA = ("identical", "cosine", "1e-2", "1e-4", "1e-6")


class State(NamedTuple):
    source: pairs.Source
    parameters: dict  # of the cell's step
    pair: pairs.Pair


def sample_steps(shared_steps: int) -> np.ndarray:
    """The shared steps at which the distance is kept: every one at first, then 8 % apart. Those of a shorter run come first."""
    steps = np.unique(np.floor(1.08 ** np.arange(400)).astype(np.int64)) - 1
    return steps[steps < shared_steps]


@dataclasses.dataclass(frozen=True)
class Stability:
    """The experiment for one cell (with its number of units) and one input size; see `lanes.Experiment`.

    `numbers` sets numeric fields of the cell, such as `keep_bias`, without a program of their own. `full` goes on to
    the last step even when both states are bitwise equal and the rest is known. `spectrum`
    asks for all Lyapunov exponents instead of the largest alone. `weights` maps each seed to the variables of its network, instead
    of fresh ones; `inputs(key, steps)` gives a stream `[steps, I]` instead of N(0, 1) numbers.
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
    spectrum: bool = False
    weights: dict | None = None
    inputs: Callable | None = None
    labels: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if isinstance(self.criteria, str):
            raise ValueError(
                f"criteria must be a sequence of names, not {self.criteria!r}"
            )
        object.__setattr__(self, "criteria", tuple(map(str, self.criteria)))
        for name in self.criteria:
            criteria_lib.get(name)
        whole = (self.steps, self.unique_steps, self.input_size)
        if (
            not all(isinstance(value, int) for value in whole)
            or not 0 < self.unique_steps < self.steps
            or self.input_size < 1
        ):
            raise ValueError(
                f"need whole numbers 0 < unique_steps < steps and input_size > 0, not {self.unique_steps}, {whole}"
            )
        if self.dtype not in DTYPES or self.cell.hidden_size < 1:
            raise ValueError(
                f"need at least one unit and a dtype of {', '.join(DTYPES)}, not {self.dtype}"
            )
        if self.dtype == "float64" and not jax.config.jax_enable_x64:
            raise ValueError(
                "dtype float64 needs jax.config.update('jax_enable_x64', True) before"
            )

    @property
    def layers(self) -> int:
        return networks.layer_count(self.cell)

    @property
    def shared_steps(self) -> int:
        return self.steps - self.unique_steps

    @property
    def unique_chunks(self) -> int:
        return math.ceil(self.unique_steps / (pairs.CHUNK // 2))

    @property
    def chunks(self) -> int:
        return self.unique_chunks + math.ceil(self.shared_steps / pairs.CHUNK)

    def phase(self, chunk: int) -> pairs.Phase:
        shared = chunk >= self.unique_chunks
        index = chunk - self.unique_chunks if shared else chunk
        rows, part = (
            (pairs.CHUNK, self.shared_steps)
            if shared
            else (pairs.CHUNK // 2, self.unique_steps)
        )
        start = index * rows
        exponent_end = min(lyapunov.BURN_IN + lyapunov.STEPS, self.shared_steps)
        return pairs.Phase(
            shared=np.bool_(shared),
            index=np.int32(index),
            offset=np.int32(0 if shared else rows),
            length=np.int32(min(rows, part - start)),
            start=np.int32(start),
            step=np.int32(start + shared * self.unique_steps),
            exponent=np.bool_(shared and start < exponent_end),
            may_stop=np.bool_(
                shared and start + rows >= exponent_end and not self.full
            ),
        )

    @property
    def programs(self) -> frozenset:
        """What is compiled for a group, named so that groups that share a program name it alike."""
        cell, size = self.cell, self.input_size
        own = {("draw", size), ("weigh", cell, size), ("project", cell, size)}
        return frozenset(own | {("streams",), ("begin", cell), ("evolve", cell)})

    def init(
        self, mesh: Mesh, seeds: np.ndarray, valid: np.ndarray, lane_indices: np.ndarray
    ) -> State:
        numbers = {
            name: np.full(len(seeds), value, np.float32)
            for name, value in self.numbers.items()
        }
        valid, numbers, scale = mesh.place(
            (valid, numbers, np.full(len(seeds), self.input_scale, np.float32))
        )
        streams = mesh.map_lanes(pairs.streams)((mesh.place(seeds),), ())
        if self.weights is None:
            weigh = mesh.map_lanes(
                pairs.weigh,
                cell=self.cell,
                input_size=self.input_size,
                dtype=self.dtype,
            )
            to_project, to_step = weigh((streams.weights, numbers), ())
        else:
            given = jax.tree.map(
                lambda *leaves: np.stack(leaves),
                *(self.weights[int(seed)] for seed in seeds),
            )
            split = mesh.map_lanes(
                pairs.split,
                cell=self.cell,
                input_size=self.input_size,
                dtype=self.dtype,
            )
            to_project, to_step = split((mesh.place(given),), ())
        samples = len(sample_steps(self.shared_steps))
        begin = mesh.map_lanes(
            pairs.begin,
            cell=self.cell,
            criteria=len(self.criteria),
            samples=samples,
            dtype=self.dtype,
            spectrum=self.spectrum,
        )
        state = State(
            pairs.Source(streams, scale, to_project),
            to_step,
            begin((valid, streams.disturbance, to_step), ()),
        )
        self._check(mesh, state)
        return state

    def advance(self, mesh: Mesh, state: State, chunk: int) -> State:
        z = self._inputs(mesh, state, chunk)
        return state._replace(pair=self._evolve(mesh, state, z, self.phase(chunk)))

    def done(self, state: State) -> jax.Array:
        return state.pair.done

    def finish(self, state: State, lane: int) -> dict:
        pair = jax.tree.map(
            lambda leaf: leaf[lane], state.pair._replace(a=(), b=(), tangent=())
        )
        diverged = int(pair.diverged) >= 0
        times = {}
        for k, name in enumerate(self.criteria):
            first, settled = int(pair.first[k]), int(pair.last_unmet[k]) + 1
            times[f"first_{name}"] = first if first >= 0 else None
            if criteria_lib.settles(name):
                times[f"settled_{name}"] = (
                    settled if settled < self.shared_steps and not diverged else None
                )
        apart = int(pair.last_unmet[-1]) + 1 >= self.shared_steps
        growth = pair.growth[: self.shared_steps // lyapunov.EVERY]
        exponent, error, exponent_status = (
            (None, None, "diverged") if diverged else lyapunov.estimate(growth)
        )
        return {
            **self.labels,
            "input_size": self.input_size,
            "hidden_size": self.cell.hidden_size,
            "layers": self.layers,
            "steps": self.steps,
            "unique_steps": self.unique_steps,
            "dtype": self.dtype,
            "status": "diverged" if diverged else "apart" if apart else "merged",
            "diverged_step": int(pair.diverged) if diverged else None,
            **times,
            "lyapunov": exponent,
            "lyapunov_se": error,
            "lyapunov_status": exponent_status,
            **(self._spectrum(pair) if self.spectrum and not diverged else {}),
            **self._predictions(exponent, float(pair.distances[0])),
            "floor": float(np.nanmedian(pair.tail)) if apart and not diverged else None,
            "distance": self._curve(pair.distances, int(pair.diverged)),
        }

    def _curve(self, distances: np.ndarray, diverged: int) -> list[float | None]:
        """The sampled distances; none from the step on at which the lane diverged."""
        steps = sample_steps(self.shared_steps) + self.unique_steps
        return [
            float(d) if diverged < 0 or step < diverged else None
            for step, d in zip(steps, distances)
        ]

    def _spectrum(self, pair: pairs.Pair) -> dict:
        """All exponents; the number of directions that die out, and how many of these are a gauge of the cell."""
        epsilon = np.finfo(self.dtype).eps if self.dtype != "bfloat16" else 2.0**-8
        growths = pair.growths[: self.shared_steps // lyapunov.EVERY_QR]
        if len(growths) <= lyapunov.BURN_IN // lyapunov.EVERY_QR:
            return {
                "lyapunov_spectrum": None,
                "lyapunov_dead": None,
                "lyapunov_gauge": None,
            }
        exponents, dead = lyapunov.spectrum(growths, float(epsilon))
        gauge = min(
            dead,
            round(getattr(self.cell, "gauge_directions", 0) * self.cell.hidden_size),
        )
        return {
            "lyapunov_spectrum": exponents,
            "lyapunov_dead": dead,
            "lyapunov_gauge": gauge,
        }

    def _predictions(self, exponent: float | None, distance: float) -> dict:
        """For each tolerance, when a distance that shrinks at the rate of the exponent falls to it."""
        tolerances = [
            name for name in self.criteria if name not in criteria_lib.CRITERIA
        ]
        return {
            f"predicted_{name}": lyapunov.predicted_time(
                exponent, distance, float(name)
            )
            for name in tolerances
        }

    def _inputs(self, mesh: Mesh, state: State, chunk: int):
        source, done, phase = state.source, state.pair.done, self.phase(chunk)
        x = mesh.map_lanes(pairs.draw, inputs=self.inputs, input_size=self.input_size)(
            (done, source.streams), (phase,)
        )
        return mesh.map_lanes(pairs.project, cell=self.cell, dtype=self.dtype)(
            (done, source.parameters, source.scale, x), ()
        )

    def _evolve(self, mesh: Mesh, state: State, z, phase: pairs.Phase) -> pairs.Pair:
        points = sample_steps(self.shared_steps).astype(np.int32)
        return mesh.map_lanes(pairs.evolve, cell=self.cell, criteria=self.criteria)(
            (state.parameters, state.pair, z), (phase, points)
        )

    def _check(self, mesh: Mesh, state: State) -> None:
        """Feeds the compiled program equal states: they must stay bitwise equal, or no result of it means anything."""
        shapes = jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), state.pair)
        if (key := (mesh, self.cell, self.criteria, str(shapes))) in _CHECKED:
            return
        z = self._inputs(mesh, state, self.unique_chunks)
        pair = self._evolve(
            mesh,
            state,
            z,
            self.phase(self.unique_chunks)._replace(length=np.int32(pairs.CHUNK)),
        )
        outputs = (np.asarray(pair.last_unmet)[:, -1] < 0) | (
            np.asarray(pair.diverged) >= 0
        )
        if not np.all(
            np.asarray(jax.vmap(pairs.bitwise_equal)(pair.a, pair.b)) & outputs
        ):
            raise ArithmeticError(
                f"equal states did not stay equal through {type(self.cell).__name__} with {self.cell.hidden_size} units: "
                "the compiled program treats its two sequences differently, so nothing it says can be trusted"
            )
        _CHECKED.add(key)


def measure(
    cell,
    input_size: int,
    *,
    seeds: int = 10,
    first_seed: int = 0,
    mesh: Mesh | None = None,
    **settings,
) -> list[dict]:
    """Measures the memory of any cell: one row a seed, see `Stability.finish` and README.

    `cell` is a linen module with the contract of `rnnjax.cells.cell` and a field `hidden_size`; `settings` are the fields of
    `Stability`, such as `steps`. Turn rows into arrays with `records.columns`.

    Raises ValueError for settings that leave nothing to measure, and ArithmeticError if the compiled program does not keep equal
    states equal.
    """
    labels = {"benchmark": "memory_stability", "cell": type(cell).__name__}
    experiment = Stability(cell, input_size, **{"labels": labels, **settings})
    if seeds < 1:
        raise ValueError(f"need at least one seed, not {seeds}")
    group = lanes.Group(
        "measure", experiment, tuple(range(first_seed, first_seed + seeds))
    )
    return lanes.run_group(group, mesh or Mesh.local()).rows


_CHECKED: set = set()
