"""How much can a recurrent network store? (Collins, Sohl-Dickstein and Sussillo 2017)

    python -m benchmarks.capacity --task=units --cell=rnn_tanh

trains networks of 10 to 100 units to give back a vector of 64 numbers after a delay. With n < 64 units no linear read-out does
better than a mean squared error of 1 - n/64. `--task=characters` trains them to name the next character of a text. The trained
networks are kept, for `benchmarks.memory_stability --network`.
"""

import dataclasses
import itertools

import jax
from absl import flags

from benchmarks import _flags, _runs, _terminal
from rnnjax import checkpoints, lanes, networks, statistics, training
from rnnjax.cells import registry
from rnnjax.figures import capacity as figures
from rnnjax.tasks.registry import TASKS
from rnnjax.tasks.text import corpus

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(_flags)
DEFAULTS = {"cell": "rnn_tanh", "hidden_sizes": "10,20,30,40,50,60,64,70,80,90,100", "seeds": "3"}
SMOKE = {"hidden_sizes": "8,16", "seeds": "2", "updates": "500", "size": "16", "length": "20", "batch": "16"}

flags.DEFINE_string("task", "units", f"Task: {', '.join(TASKS)}.")
flags.DEFINE_string("size", "64", "Numbers in the vector to keep.")
flags.DEFINE_string("delay", "4", "Steps between the vector and the answer.")
flags.DEFINE_string(
    "text", "embedded", "Text of the task characters: a plain, .gz or .zip file, or embedded (Python's own topics)."
)
flags.DEFINE_string("length", "50", "Characters in a window.")
flags.DEFINE_string("batch", "64", "Vectors or windows in an update.")
flags.DEFINE_string("updates", "3000", "Updates of each network.")
flags.DEFINE_string("learning_rate", "3e-3", "Adam's, at the start; it falls to 0 linearly.")


@dataclasses.dataclass(frozen=True)
class Config:
    """A run: what is trained (`settings`, one value each) and over what (`axes`)."""

    task: str
    cells: tuple[str, ...]
    hidden_sizes: tuple[int, ...]
    layers: tuple[int, ...]
    seeds: tuple[int, ...]
    task_settings: tuple[tuple[str, int | str], ...]
    updates: int
    learning_rate: float

    @property
    def settings(self) -> dict:
        return {
            "task": self.task,
            "task_settings": dict(self.task_settings),
            "updates": self.updates,
            "learning_rate": self.learning_rate,
        }

    @property
    def axes(self) -> dict[str, list]:
        return {name: list(getattr(self, name)) for name in ("cells", "hidden_sizes", "layers", "seeds")}

    def describe(self, cell: str, layers: int, hidden_size: int) -> dict:
        """A network of this run, as `checkpoints` writes it."""
        settings = dict(self.task_settings)
        description = {"cell": cell, "hidden_size": hidden_size, "layers": layers, "task": self.task, "task_settings": settings}
        return description | {"outputs": TASKS[self.task](**settings).outputs}


def config_from_flags() -> Config:
    """Raises `_flags.UsageError`."""
    if FLAGS.smoke:
        _flags.take(SMOKE)
    _flags.take(DEFAULTS)
    return Config(
        task=_flags.choice("task", TASKS, "task"),
        cells=tuple(_runs.cells(registry.CELLS)),
        hidden_sizes=tuple(_flags.wholes("hidden_sizes")),
        layers=tuple(_flags.wholes("layers")),
        seeds=_flags.seeds(),
        task_settings=tuple(_task_settings(_flags.choice("task", TASKS, "task")).items()),
        updates=_flags.whole("updates"),
        learning_rate=_flags.number("learning_rate", positive=True),
    )


def _task_settings(task: str) -> dict[str, int | str]:
    """The values of the task's own flags; a flag of another task is refused."""
    fields = {name: {field.name for field in dataclasses.fields(TASKS[name])} for name in TASKS}
    for flag in set().union(*fields.values()) - fields[task] - {"sha256"}:
        if _flags.given(flag):
            takers = ", ".join(name for name in TASKS if flag in fields[name])
            raise _flags.UsageError(flag, FLAGS[flag].value, f"not an option of --task={task}", f"with --task={takers}")
    settings = {name: _flags.whole(name) for name in ("size", "delay", "length", "batch") if name in fields[task]}
    if "text" not in fields[task]:
        return settings
    try:
        text = corpus.read(FLAGS.text)
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else str(error)
        raise _flags.UsageError("text", FLAGS.text, problem, "a text file, plain, .gz or .zip, or embedded") from None
    if settings["length"] >= len(text) // 2:
        raise _flags.UsageError("length", settings["length"], "too long for the text", f"1 to {len(text) // 2 - 1}")
    return settings | {"text": FLAGS.text, "sha256": corpus.digest(FLAGS.text)}


def groups(config: Config, done: set[tuple]) -> list[lanes.Group]:
    """A group for each shape, with the seeds that have no row yet."""
    out = []
    for cell, layers, hidden_size in itertools.product(config.cells, config.layers, config.hidden_sizes):
        description = config.describe(cell, layers, hidden_size)
        network, task = checkpoints.build(description)
        seeds = _runs.missing(config.seeds, done, cell, task.input_size, hidden_size, layers)
        if seeds:
            labels = {"benchmark": "capacity", "task": config.task, "cell": cell, "input_size": task.input_size}
            experiment = training.Training(network, task, config.updates, config.learning_rate, labels=labels)
            name = f"{cell}-{config.task}-n{hidden_size}-l{layers}-s{seeds[0]}-{seeds[-1]}"
            out.append(lanes.Group(name, experiment, seeds, networks.parameter_count(network, task.input_size)))
    return out


def main() -> int:
    config = config_from_flags()
    folder = _runs.open_folder("capacity", f"{config.task}/{'+'.join(config.cells)}", config.settings, config.axes)
    todo = groups(config, _runs.done(folder))
    mesh = _runs.local_mesh()
    if FLAGS.dry_run:
        _dry_run(todo, mesh)
        return 0
    rows = _runs.carry_out(folder, todo, mesh, figures.summary, lambda result: _keep(config, folder.path, result))
    if rows is None:
        return 130
    figures.loss(rows, folder.path)
    _table(rows, folder.path)
    return 0


def _keep(config: Config, path, result: lanes.Result) -> None:
    """Saves the trained networks of a group."""
    for lane, row in enumerate(result.rows):
        if row["status"] == "trained":
            variables = jax.tree.map(lambda leaf: leaf[lane], result.state.variables)  # noqa: B023
            name = f"{row['cell']}-n{row['hidden_size']}-l{row['layers']}-s{row['seed']}"
            description = config.describe(row["cell"], row["layers"], row["hidden_size"]) | {"seed": row["seed"]}
            checkpoints.save(path / "networks" / name, description, variables)


def _table(rows: list[dict], path) -> None:
    shapes = dict(figures.shapes(rows))
    units = sorted({row["hidden_size"] for row in rows})
    lines = []
    if rows[0]["task"] == "units":
        size = rows[0]["input_size"]
        lines.append([f"bound 1 - n/{size}", *(f"{figures.bound(n, size):.3f}" for n in units)])
    for cell, layers in figures.series(rows):
        here = [statistics.mean(row["loss"] for row in shapes.get((cell, n, layers), [])) for n in units]
        lines.append([figures.title(cell, layers), *("-" if m.mean is None else f"{m.mean:.4f}" for m in here)])
        lines.append(["  sd over seeds", *("-" if m.sd is None else f"{m.sd:.4f}" for m in here)])
    _terminal.table(f"{rows[0]['measure']}, by units (chance {rows[0]['chance']:.3f})", ["cell", *map(str, units)], lines)
    diverged = sum(row["status"] == "diverged" for row in rows)
    print(f"{len(rows)} networks, {diverged} of them diverged; one setting each, nothing was searched over.")
    print(f"Rows, summary, pictures and trained networks: {path}")


def _dry_run(todo: list[lanes.Group], mesh: lanes.Mesh) -> None:
    count = sum(len(group.seeds) for group in todo)
    print(f"{count} lanes in {len(todo)} groups on {len(mesh.devices)} {mesh.devices[0].platform} devices")
    if todo:
        largest = max(todo, key=lambda group: group.cost)
        trial = lanes.trial(largest, mesh)
        seconds = sum(len(g.seeds) * g.experiment.chunks * trial.lane_chunk_seconds * g.cost / largest.cost for g in todo)
        print(f"{2 * len(todo)} programs, about {len(todo) * trial.compile_seconds:.0f} s of compiling")
        print(f"about {seconds:.0f} s of running, going by the largest group and its number of parameters")
        print(f"state of the largest group: {trial.state_bytes / 1e6:.1f} MB")


if __name__ == "__main__":
    _flags.start(main)
