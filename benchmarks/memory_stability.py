"""For how many steps does a different past still show in a recurrent network's output?

    python -m benchmarks.memory_stability --cell=gru

re-runs "An Investigation of RNN Memory Stability" (Muccino 2019) for one cell: 8 input sizes, 8 numbers of units, 10
seeds, two sequences of 100,000 steps that share all but their first 1,000.
"""

import dataclasses
import itertools
import resource
import sys

import jax
from absl import flags

from benchmarks import _probe, _tables
from benchmarks.common import flags as _flags
from benchmarks.common import processes as _processes
from benchmarks.common import runs as _runs
from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.cells.activations import ACTIVATIONS
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.engine import estimate as estimates
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.figures import memory_stability as figures
from rnnjax.memory_stability import criteria
from rnnjax.memory_stability import experiment as stability

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(_flags)
SIZES = "1,2,4,8,16,32,64,128"
LYAPUNOV = ("largest", "spectrum")

# What a preset says of a cell's options; None is the cell's own start, which is the article's.
OPTIONS = (
    "kernel_init",
    "recurrent_init",
    "recurrent_gain",
    "keep_bias",
    "activation",
    "gate_activation",
    "depth",
)
PRESETS = {
    "article": {},
    "flax": {
        "kernel_init": "lecun_normal",
        "recurrent_init": "orthogonal_per_gate",
        "keep_bias": {"lstm": 0.0},
    },
}
DECIDED = (
    "input_sizes",
    "hidden_sizes",
    "layers",
    "seeds",
    "first_seed",
    "preset",
    "input_scale",
    "budget",
)
DEFAULTS = {
    "cell": "gru",
    "hidden_sizes": SIZES,
    "steps": "100000",
    "preset": "article",
}
SMOKE = {"input_sizes": "1,16", "hidden_sizes": "1,8,32", "seeds": "3", "steps": "3000"}

flags.DEFINE_string(
    "network",
    None,
    "Run folder of networks trained by benchmarks.capacity: probe them, beside untrained ones.",
)
flags.DEFINE_string("input_sizes", SIZES, "Input sizes.")
flags.DEFINE_string(
    "budget",
    None,
    "Instead of --hidden_sizes: the most units of each cell within so many parameters.",
)
flags.DEFINE_string(
    "unique_steps", "1000", "Steps at the start in which the two sequences differ."
)
flags.DEFINE_string(
    "criteria",
    ",".join(stability.DEFAULT_CRITERIA),
    "identical, cosine, or largest differences such as 1e-3.",
)
flags.DEFINE_string(
    "kernel_init", None, f"Initialiser of the input weights: {', '.join(INITIALIZERS)}."
)
flags.DEFINE_string(
    "activation", None, f"Nonlinearity of the state: {', '.join(ACTIVATIONS)}."
)
flags.DEFINE_string(
    "gate_activation", None, "Nonlinearity of the gates, one of the same."
)
flags.DEFINE_string("depth", None, "Levels of a nested LSTM's memory.")
flags.DEFINE_string("lyapunov", "largest", f"Exponents: {', '.join(LYAPUNOV)}.")
flags.DEFINE_string("input_scale", "1", "Standard deviation of the inputs.")
flags.DEFINE_string(
    "dtype",
    "float32",
    f"Arithmetic of states and weights: {', '.join(stability.DTYPES)}.",
)
flags.DEFINE_bool(
    "full", False, "Compute all steps, also those of pairs that have become equal."
)


@dataclasses.dataclass(frozen=True)
class Config:
    """A run: what it measures (`settings`, one value each) and over what (`axes`)."""

    cells: tuple[str, ...]
    input_sizes: tuple[int, ...]
    hidden_sizes: tuple[int, ...]
    layers: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: int
    unique_steps: int
    criteria: tuple[str, ...]
    preset: str
    options: tuple[tuple[str, object], ...]
    lyapunov: str
    input_scale: float
    dtype: str
    full: bool
    budget: int | None
    network: str | None
    networks: list[dict] = dataclasses.field(default_factory=list)

    @property
    def settings(self) -> dict:
        names = (
            "steps",
            "unique_steps",
            "preset",
            "lyapunov",
            "input_scale",
            "dtype",
            "budget",
            "network",
        )
        return {name: getattr(self, name) for name in names} | {
            "criteria": list(self.criteria),
            **dict(self.options),
        }

    @property
    def resolved(self) -> dict[str, dict]:
        """The options each cell ends up with, by name."""
        named = {
            id(value): name
            for table in (INITIALIZERS, ACTIVATIONS)
            for name, value in table.items()
        }
        out = {}
        for cell in self.cells if not self.networks else ():
            experiment = self.experiment(cell, 1, 1, 1)
            values = {
                name: getattr(experiment.cell, name)
                for name in OPTIONS
                if hasattr(experiment.cell, name)
            }
            values |= experiment.numbers
            out[cell] = {
                name: named.get(id(value), value) for name, value in values.items()
            }
        return out

    @property
    def axes(self) -> dict[str, list]:
        return {
            name: list(getattr(self, name))
            for name in ("cells", "input_sizes", "hidden_sizes", "layers", "seeds")
        }

    @property
    def name(self) -> str:
        return "+".join(self.cells)

    @property
    def shapes(self):
        for cell, layers in itertools.product(self.cells, self.layers):
            if self.budget:
                sizes = [
                    (self._units(cell, layers, input_size), input_size)
                    for input_size in self.input_sizes
                ]
            else:
                sizes = itertools.product(self.hidden_sizes, self.input_sizes)
            yield from (
                (cell, layers, hidden_size, input_size)
                for hidden_size, input_size in sizes
            )

    def _units(self, cell: str, layers: int, input_size: int) -> int:
        try:
            return networks.largest_units(
                lambda n: self.experiment(cell, layers, input_size, n).cell,
                self.budget,
                input_size,
            )
        except ValueError:
            needed = networks.parameter_count(
                self.experiment(cell, layers, input_size, 1).cell, input_size
            )
            problem = f"too small for one unit of {figures.title(cell, layers)} with {input_size} inputs"
            raise _flags.UsageError(
                "budget", self.budget, problem, f"{needed} or more parameters"
            ) from None

    def experiment(
        self, cell: str, layers: int, input_size: int, hidden_size: int
    ) -> stability.Stability:
        values = {
            name: value.get(cell) if isinstance(value, dict) else value
            for name, value in self.options
        }
        values = {
            name: value
            for name, value in values.items()
            if value is not None and name in registry.options(cell)
        }
        numbers = {
            name: value for name, value in values.items() if isinstance(value, float)
        }
        static = {
            name: _TABLES[name][value] if name in _TABLES else value
            for name, value in values.items()
            if name not in numbers
        }
        return stability.Stability(
            networks.stack(
                lambda: registry.CELLS[cell](hidden_size=hidden_size, **static), layers
            ),
            input_size,
            input_scale=self.input_scale,
            numbers=numbers,
            labels={"benchmark": "memory_stability", "cell": cell},
            **self.measurement,
        )

    @property
    def measurement(self) -> dict:
        """What is asked of every lane, whatever its cell."""
        names = ("steps", "unique_steps", "criteria", "dtype", "full")
        return {name: getattr(self, name) for name in names} | {
            "spectrum": self.lyapunov == "spectrum"
        }


_TABLES = {
    "kernel_init": INITIALIZERS,
    "recurrent_init": INITIALIZERS,
    "activation": ACTIVATIONS,
    "gate_activation": ACTIVATIONS,
}


def config_from_flags() -> Config:
    """Raises `_flags.UsageError`."""
    _flags.refuse("text", "batch", "updates", "learning_rate")
    if FLAGS.smoke:
        _flags.take(SMOKE)
    _flags.take(DEFAULTS)
    probed = _probe.networks([*DECIDED, *OPTIONS]) if FLAGS.network else []
    axes = _probe.axes(probed) if probed else _axes()
    if FLAGS.budget is not None and _flags.given("hidden_sizes"):
        raise _flags.UsageError(
            "hidden_sizes",
            FLAGS.hidden_sizes,
            f"given with --budget={FLAGS.budget}",
            "one of the two",
        )
    steps, unique_steps = _flags.whole("steps"), _flags.whole("unique_steps")
    if unique_steps >= steps:
        raise _flags.UsageError(
            "unique_steps",
            unique_steps,
            "no shared steps are left",
            f"1 to {steps - 1} of --steps={steps}",
        )
    return Config(
        **axes,
        steps=steps,
        unique_steps=unique_steps,
        criteria=_criteria(),
        preset=_flags.choice("preset", PRESETS, "preset"),
        options=() if probed else tuple(_options(axes["cells"]).items()),
        lyapunov=_flags.choice("lyapunov", LYAPUNOV, "choice"),
        input_scale=_flags.number("input_scale", positive=True),
        dtype=_flags.choice("dtype", stability.DTYPES, "dtype"),
        full=FLAGS.full,
        budget=_flags.whole("budget") if FLAGS.budget is not None else None,
        network=FLAGS.network,
        networks=probed,
    )


def _axes() -> dict[str, tuple]:
    sizes = {
        name: tuple(_flags.wholes(name))
        for name in ("input_sizes", "hidden_sizes", "layers")
    }
    return {
        "cells": tuple(_runs.cells(registry.CELLS)),
        **sizes,
        "seeds": _flags.seeds(),
    }


def _criteria() -> tuple[str, ...]:
    names = _flags.words("criteria")
    values = []
    for name in names:
        try:
            criteria.get(name)
        except ValueError:
            allowed = (
                f"{', '.join(criteria.CRITERIA)}, or a positive tolerance such as 1e-3"
            )
            raise _flags.UsageError(
                "criteria", FLAGS.criteria, f"no such criterion {name!r}", allowed
            ) from None
        values.append(name if name in criteria.CRITERIA else float(name))
    if len(set(values)) < len(values):
        raise _flags.UsageError(
            "criteria",
            FLAGS.criteria,
            "a tolerance is repeated",
            "every criterion once",
        )
    return tuple(names)


def _options(cells: tuple[str, ...]) -> dict[str, object]:
    """Every option with the value of its flag, else the preset's, else None for the cell's own."""
    options = {}
    for name in OPTIONS:
        value = _option(name)
        if value is not None and not any(
            name in registry.options(cell) for cell in cells
        ):
            takers = [cell for cell in registry.CELLS if name in registry.options(cell)]
            raise _flags.UsageError(
                name,
                FLAGS[name].value,
                f"not an option of {', '.join(cells)}",
                f"with {', '.join(takers)}",
            )
        options[name] = (
            PRESETS[_flags.choice("preset", PRESETS, "preset")].get(name)
            if value is None
            else value
        )
    return options


def _option(name: str):
    if name in _TABLES:
        return _flags.choice(name, _TABLES[name], name)
    if name == "depth":
        return None if FLAGS.depth is None else _flags.whole(name)
    return _flags.number(name)


def groups(
    config: Config, done: set[tuple], share: _processes.Share = _processes.WHOLE
) -> list[lanes.Group]:
    """A group for each shape, with the seeds that have no row yet; shapes that share a recurrence follow one another."""
    if config.networks:
        return _probe.groups(config.networks, config.measurement, done, share)
    out = []
    for (cell, layers, hidden_size, input_size), some in share.pieces(
        config.shapes, config.seeds
    ):
        seeds = _runs.missing(some, done, cell, input_size, hidden_size, layers)
        if seeds:
            name = (
                f"{cell}-i{input_size}-h{hidden_size}-l{layers}-s{seeds[0]}-{seeds[-1]}"
            )
            experiment = config.experiment(cell, layers, input_size, hidden_size)
            cost = _seconds(experiment, len(seeds))
            out.append(lanes.Group(name, experiment, seeds, cost))
    return out


def _seconds(experiment: stability.Stability, seeds: int) -> float:
    """A guess for the progress bar: compiling, then lanes and chunks; small pairs merge within a few chunks."""
    units = experiment.cell.hidden_size
    chunks = (
        experiment.chunks
        if experiment.full or units > 32
        else min(experiment.chunks, 8)
    )
    return 0.5 + seeds * chunks * (3e-4 + 2.5e-3 * (units / 128) ** 2)


def main() -> int:
    config = config_from_flags()
    with arithmetic(config):
        return _run(config)


def arithmetic(config: Config):
    """The context that lanes are computed in."""
    return jax.enable_x64(config.dtype == "float64")


def _run(config: Config) -> int:
    folder = _runs.open_folder(
        "memory_stability",
        config.name,
        config.settings,
        config.axes,
        options=config.resolved,
    )
    share = _processes.share()
    todo = groups(config, set(_runs.known(folder)), share)
    mesh = _runs.local_mesh()
    if FLAGS.dry_run:
        _dry_run(todo, mesh)
        return 0
    cost = sum(group.cost for group in todo)
    rows = _runs.carry_out(
        folder,
        todo,
        cost,
        mesh,
        figures.summary,
        share=share,
        left=lambda known: left(config, known),
    )
    show(config, rows, folder.path)
    return 0


def left(config: Config, known: dict) -> str:
    """How many lanes have no row."""
    return _runs.counted(
        sum(len(group.seeds) for group in groups(config, set(known))), "lane"
    )


def show(config: Config, rows: list[dict], path) -> None:
    """Pictures and tables."""
    if len(figures.shapes(rows)) > len(figures.series(rows)):
        figures.heatmap(rows, path)
    if len(figures.series(rows)) > 1:
        figures.cells(rows, path)
    figures.distance(
        rows, stability.sample_steps(rows[0]["steps"] - rows[0]["unique_steps"]), path
    )
    _tables.show(rows, path)


def _dry_run(todo: list[lanes.Group], mesh: Mesh) -> None:
    """Tries the first chunks of the smallest and the largest shape and scales: time a chunk grows with the units squared."""
    print(_runs.planned(todo, mesh))
    if not todo:
        return
    programs = len(frozenset().union(*(group.experiment.programs for group in todo)))
    ends = [
        pick(todo, key=lambda group: group.experiment.cell.hidden_size)
        for pick in (min, max)
    ]
    small, large = (estimates.estimate(group, mesh) for group in ends)
    low, high = (group.experiment.cell.hidden_size**2 for group in ends)
    slope = (large.lane_chunk_seconds - small.lane_chunk_seconds) / max(high - low, 1)
    seconds = sum(
        len(group.seeds)
        * group.experiment.chunks
        * max(
            0.0,
            small.lane_chunk_seconds
            + slope * (group.experiment.cell.hidden_size**2 - low),
        )
        for group in todo
    )
    compiling = programs * small.compile_seconds / len(ends[0].experiment.programs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 1024
    )
    print(f"{programs} programs, about {compiling:.0f} s of compiling")
    print(
        f"at most about {seconds + 0.5 * len(todo):.0f} s of running on an idle machine, if no pair merges early"
    )
    print(
        f"memory of this trial: {peak:.0f} MB, of which the state of the largest group {large.state_bytes / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    _flags.start(main)
