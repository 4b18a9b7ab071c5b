"""For how many steps does a different past still show in a recurrent network's output?

    python -m benchmarks.memory_stability --cell=gru

re-runs "An Investigation of RNN Memory Stability" (Muccino 2019) for one cell: 8 input sizes, 8 numbers of units, 10
seeds, two sequences of 100,000 steps that share all but their first 1,000.
"""

import dataclasses
import itertools
import resource

import jax
from absl import flags

from benchmarks import _flags, _terminal
from rnnjax import criteria, lanes, records, stability
from rnnjax.cells import registry
from rnnjax.cells.activations import ACTIVATIONS
from rnnjax.figures import stability as figures
from rnnjax.initializers import INITIALIZERS

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(_flags)
SIZES = "1,2,4,8,16,32,64,128"
DTYPES = ("float32", "float64", "bfloat16")

# What a preset says of a cell's options; None is the cell's own start, which is the article's.
OPTIONS = ("kernel_init", "recurrent_init", "recurrent_gain", "keep_bias", "activation", "gate_activation")
PRESETS = {
    "article": {},
    "flax": {"kernel_init": "lecun_normal", "recurrent_init": "orthogonal_per_gate", "keep_bias": 0.0},
}
SMOKE = {"input_sizes": "1,16", "hidden_sizes": "1,8,32", "seeds": "3", "steps": "3000"}

flags.DEFINE_string("cell", "gru", f"Cells, a comma list or all: {', '.join(registry.CELLS)}.")
flags.DEFINE_string("input_sizes", SIZES, "Input sizes.")
flags.DEFINE_string("hidden_sizes", SIZES, "Numbers of units.")
flags.DEFINE_string("steps", "100000", "Steps of each sequence.")
flags.DEFINE_string("unique_steps", "1000", "Steps at the start in which the two sequences differ.")
flags.DEFINE_string("criteria", ",".join(stability.DEFAULT_CRITERIA), "identical, cosine, or largest differences such as 1e-3.")
flags.DEFINE_string("preset", "article", f"Initialisers and biases: {', '.join(PRESETS)}. Single flags override it.")
flags.DEFINE_string("kernel_init", None, f"Initialiser of the input weights: {', '.join(INITIALIZERS)}.")
flags.DEFINE_string("recurrent_init", None, "Initialiser of the recurrent weights, one of the same.")
flags.DEFINE_string("recurrent_gain", None, "Factor of the initial recurrent weights.")
flags.DEFINE_string("keep_bias", None, "Initial bias of the gate that keeps the state; positive keeps more.")
flags.DEFINE_string("activation", None, f"Nonlinearity of the state: {', '.join(ACTIVATIONS)}.")
flags.DEFINE_string("gate_activation", None, "Nonlinearity of the gates, one of the same.")
flags.DEFINE_string("input_scale", "1", "Standard deviation of the inputs.")
flags.DEFINE_string("dtype", "float32", f"Arithmetic of states and weights: {', '.join(DTYPES)}.")
flags.DEFINE_bool("full", False, "Compute all steps, also those of pairs that have become equal.")


@dataclasses.dataclass(frozen=True)
class Config:
    """A run: what it measures (`settings`, one value each) and over what (`axes`)."""

    cells: tuple[str, ...]
    input_sizes: tuple[int, ...]
    hidden_sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: int
    unique_steps: int
    criteria: tuple[str, ...]
    preset: str
    options: tuple[tuple[str, object], ...]
    input_scale: float
    dtype: str
    full: bool

    @property
    def settings(self) -> dict:
        names = ("steps", "unique_steps", "preset", "input_scale", "dtype")
        return {name: getattr(self, name) for name in names} | {"criteria": list(self.criteria)} | dict(self.options)

    @property
    def axes(self) -> dict[str, list]:
        return {name: list(getattr(self, name)) for name in ("cells", "input_sizes", "hidden_sizes", "seeds")}

    @property
    def shapes(self):
        return itertools.product(self.cells, self.hidden_sizes, self.input_sizes)

    def experiment(self, cell: str, input_size: int, hidden_size: int) -> stability.Stability:
        open_options = registry.options(cell)
        options = {name: value for name, value in self.options if value is not None and name in open_options}
        numbers = {name: value for name, value in options.items() if isinstance(value, float)}
        named = {name: _TABLES[name][value] for name, value in options.items() if name not in numbers}
        return stability.Stability(
            registry.CELLS[cell](hidden_size=hidden_size, **named),
            input_size,
            steps=self.steps,
            unique_steps=self.unique_steps,
            criteria=self.criteria,
            dtype=self.dtype,
            input_scale=self.input_scale,
            numbers=numbers,
            full=self.full,
            labels={"benchmark": "memory_stability", "cell": cell},
        )


_TABLES = {
    "kernel_init": INITIALIZERS,
    "recurrent_init": INITIALIZERS,
    "activation": ACTIVATIONS,
    "gate_activation": ACTIVATIONS,
}


def config_from_flags() -> Config:
    """Raises `_flags.UsageError`."""
    if FLAGS.smoke:
        for name, value in SMOKE.items():
            if not _flags.given(name):
                FLAGS[name].value = value
    cells = _cells()
    steps, unique_steps = _flags.whole("steps"), _flags.whole("unique_steps")
    if unique_steps >= steps:
        raise _flags.UsageError("unique_steps", unique_steps, "no shared steps are left", f"1 to {steps - 1} of --steps={steps}")
    first, seeds = _flags.whole("first_seed", 0), _flags.whole("seeds")
    return Config(
        cells=tuple(cells),
        input_sizes=tuple(_flags.wholes("input_sizes")),
        hidden_sizes=tuple(_flags.wholes("hidden_sizes")),
        seeds=tuple(range(first, first + seeds)),
        steps=steps,
        unique_steps=unique_steps,
        criteria=_criteria(),
        preset=_flags.choice("preset", PRESETS, "preset"),
        options=tuple(_options(cells).items()),
        input_scale=_flags.number("input_scale", positive=True),
        dtype=_flags.choice("dtype", DTYPES, "dtype"),
        full=FLAGS.full,
    )


def _cells() -> list[str]:
    if FLAGS.cell == "all":
        return list(registry.CELLS)
    cells = _flags.words("cell")
    for cell in cells:
        if cell not in registry.CELLS:
            allowed = f"all, or a comma list of {', '.join(registry.CELLS)}"
            raise _flags.UsageError("cell", FLAGS.cell, f"no such cell {cell!r}", allowed)
    return cells


def _criteria() -> tuple[str, ...]:
    names = _flags.words("criteria")
    values = []
    for name in names:
        try:
            criteria.get(name)
        except ValueError:
            allowed = f"{', '.join(criteria.CRITERIA)}, or a positive tolerance such as 1e-3"
            raise _flags.UsageError("criteria", FLAGS.criteria, f"no such criterion {name!r}", allowed) from None
        values.append(name if name in criteria.CRITERIA else float(name))
    if len(set(values)) < len(values):
        raise _flags.UsageError("criteria", FLAGS.criteria, "a tolerance is repeated", "every criterion once")
    return tuple(names)


def _options(cells: list[str]) -> dict[str, object]:
    """Every option with the value of its flag, else the preset's, else None for the cell's own."""
    options = {}
    for name in OPTIONS:
        value = _flags.choice(name, _TABLES[name], name) if name in _TABLES else _flags.number(name)
        if value is not None and not any(name in registry.options(cell) for cell in cells):
            takers = [cell for cell in registry.CELLS if name in registry.options(cell)]
            raise _flags.UsageError(name, FLAGS[name].value, f"not an option of {', '.join(cells)}", f"with {', '.join(takers)}")
        options[name] = PRESETS[_flags.choice("preset", PRESETS, "preset")].get(name) if value is None else value
    return options


def groups(config: Config, done: set[tuple]) -> list[lanes.Group]:
    """A group for each shape, with the seeds that have no row yet; shapes that share a recurrence follow one another."""
    out = []
    for cell, hidden_size, input_size in config.shapes:
        seeds = tuple(s for s in config.seeds if (cell, input_size, hidden_size, 1, s) not in done)
        if seeds:
            name = f"{cell}-i{input_size}-h{hidden_size}-l1-s{seeds[0]}-{seeds[-1]}"
            experiment = config.experiment(cell, input_size, hidden_size)
            cost = _seconds(experiment, len(seeds))
            out.append(lanes.Group(name, experiment, seeds, cost))
    return out


def _seconds(experiment: stability.Stability, seeds: int) -> float:
    """A guess for the progress bar: compiling, then lanes and chunks; small pairs merge within a few chunks."""
    units = experiment.cell.hidden_size
    chunks = experiment.chunks if experiment.full or units > 32 else min(experiment.chunks, 8)
    return 0.5 + seeds * chunks * (3e-4 + 2.5e-3 * (units / 128) ** 2)


def main() -> int:
    config = config_from_flags()
    base = "results/smoke" if FLAGS.smoke else "results"
    out_dir = FLAGS.out_dir or f"{base}/memory_stability/{FLAGS.cell.replace(',', '+')}"
    try:
        folder = records.Folder(out_dir, "memory_stability", config.settings, config.axes, FLAGS.overwrite)
    except records.RefusedError as error:
        raise _flags.UsageError("out_dir", out_dir, *str(error).split("; allowed: ")) from None
    _flags.use_cores()
    if config.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    mesh = lanes.Mesh.local()
    todo = groups(config, folder.done())
    if FLAGS.dry_run:
        _dry_run(todo, mesh)
        return 0
    try:
        folder.create(_flags.command("memory_stability"))
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise _flags.UsageError("out_dir", out_dir, problem, "a folder you may write to") from None
    return _run(folder, todo, mesh)


def _run(folder: records.Folder, todo: list[lanes.Group], mesh: lanes.Mesh) -> int:
    finished = 0
    if not todo:
        _terminal.say(f"Nothing to do: every lane asked for is in {folder.path}; its tables and pictures are made anew.")
    try:
        with _terminal.progress(sum(group.cost for group in todo), "memory_stability") as report:
            for result in lanes.run(todo, mesh, lambda cost: report(cost, f"{finished}/{len(todo)} shapes")):  # noqa: B023
                folder.add(result.group.name, result.rows, result.timing)
                finished += 1
    except KeyboardInterrupt:
        kept = f"{finished} of {len(todo)} shapes are kept in {folder.path}"
        _terminal.say(f"Interrupted: {kept}; the same command goes on from there.")
        return 130
    rows = folder.finish(figures.summary(records.read_rows(folder.path)))
    figures.heatmap(rows, folder.path)
    figures.distance(rows, stability.sample_steps(rows[0]["steps"] - rows[0]["unique_steps"]), folder.path)
    _tables(rows, folder.path)
    return 0


def _tables(rows: list[dict], path) -> None:
    horizon = rows[0]["steps"] - rows[0]["unique_steps"]
    units = sorted({row["hidden_size"] for row in rows})
    lanes_by_shape = dict(figures.shapes(rows))
    for cell, name in itertools.product(sorted({row["cell"] for row in rows}), figures.criteria(rows)):
        lines = []
        for input_size in sorted({row["input_size"] for row in rows}):
            here = [lanes_by_shape.get((cell, input_size, n, 1)) for n in units]
            texts = [figures.entry(figures.times(lanes, f"first_{name}"), horizon) if lanes else "" for lanes in here]
            lines.append([str(input_size), *texts])
        title = f"{cell}: first shared step, {figures.LABELS.get(name, f'within {name}')}"
        _terminal.table(title, ["input \\ units", *map(str, units)], lines)
    counts = {status: sum(row["status"] == status for row in rows) for status in ("merged", "apart", "diverged")}
    print(f"{len(rows)} lanes: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    print("Mean over seeds ± half of its 95 % interval; >= with a share: only so many seeds met it, a bound of the mean.")
    print(f"Rows, summary and pictures: {path}")


def _dry_run(todo: list[lanes.Group], mesh: lanes.Mesh) -> None:
    """Tries the first chunks of the smallest and the largest shape and scales: time a chunk grows with the units squared."""
    count = sum(len(group.seeds) for group in todo)
    print(f"{count} lanes in {len(todo)} groups on {len(mesh.devices)} {mesh.devices[0].platform} devices")
    if not todo:
        return
    programs = len(frozenset().union(*(group.experiment.programs for group in todo)))
    ends = [pick(todo, key=lambda group: group.experiment.cell.hidden_size) for pick in (min, max)]
    small, large = (lanes.trial(group, mesh) for group in ends)
    low, high = (group.experiment.cell.hidden_size**2 for group in ends)
    slope = (large.lane_chunk_seconds - small.lane_chunk_seconds) / max(high - low, 1)
    seconds = sum(
        len(group.seeds)
        * group.experiment.chunks
        * max(0.0, small.lane_chunk_seconds + slope * (group.experiment.cell.hidden_size**2 - low))
        for group in todo
    )
    compiling = programs * small.compile_seconds / len(ends[0].experiment.programs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{programs} programs, about {compiling:.0f} s of compiling")
    print(f"at most about {seconds:.0f} s of running, if no pair merges early")
    print(f"memory of this trial: {peak:.0f} MB, of which the state of the largest group {large.state_bytes / 1e6:.0f} MB")


if __name__ == "__main__":
    _flags.start(main)
