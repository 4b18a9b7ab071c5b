"""How much can a recurrent network store? (Collins, Sohl-Dickstein and Sussillo 2017)

    python -m benchmarks.capacity --task=parameters --cell=rnn_tanh --budgets=200

searches for the training with which a network of at most 200 parameters learns the most random bits by heart. Every trial is a row;
the best setting is then trained on fresh draws, and their mean is the result. Other tasks ask how many numbers a unit keeps
(`units`), or how well a budget of parameters does at a text, a random function, brackets or sums. Where no number of samples is
searched over, the networks trained on the fresh draws are kept, for `benchmarks.memory_stability --network`.
"""

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Iterator

import jax
from absl import flags

from benchmarks import _capacity_tables, _presets
from benchmarks.common import flags as _flags
from benchmarks.common import processes as _processes
from benchmarks.common import runs as _runs
from rnnjax import networks
from rnnjax.capacity import search, training
from rnnjax.capacity import study as capacity
from rnnjax.cells import registry
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.engine import lanes
from rnnjax.figures import capacity as figures
from rnnjax.results import checkpoints
from rnnjax.tasks import characters
from rnnjax.tasks.registry import TASKS
from rnnjax.text import corpus

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(_flags)
SIZES = ("budgets", "hidden_sizes")
DEFAULTS = {
    "cell": "rnn_tanh",
    "task": "parameters",
    "preset": "quick",
    "optimizer": "adam",
    "factor": "4",
    "moves": "6",
}
MOST_PARAMETERS = 10**8
MOST_TRIALS = search.SEEDS_OF_A_RUNG // 2

flags.DEFINE_string("task", None, f"Task: {', '.join(TASKS)}.")
flags.DEFINE_string(
    "budgets", None, "Numbers of parameters; the most units that fit are taken."
)
flags.DEFINE_alias("depths", "layers")
flags.DEFINE_string(
    "optimizer", None, f"Optimisers, a comma list: {', '.join(training.OPTIMIZERS)}."
)
flags.DEFINE_string("trials", None, "Settings that the search starts with.")
flags.DEFINE_string(
    "rungs",
    None,
    "Rounds of the search; each keeps the best settings and trains them longer, afresh.",
)
flags.DEFINE_string(
    "factor", None, "How many times fewer settings and more updates the next round has."
)
flags.DEFINE_string(
    "finalists",
    None,
    "Settings of the last round that are trained on several draws, to choose the best in the mean.",
)
flags.DEFINE_string(
    "judges",
    None,
    "Draws on which finalists and numbers of samples are compared; --seeds are others, for the result.",
)
flags.DEFINE_string(
    "moves",
    None,
    "How often the number of samples is moved by a ratio of 1.25, at most.",
)
flags.DEFINE_string(
    "decay",
    None,
    "Power with which the learning rate falls to 0: a number or range, like all that follow.",
)
flags.DEFINE_string("momentum", None, "Share of the old mean gradient that is kept.")
flags.DEFINE_string(
    "weight_decay", None, "Share of a weight that a learning rate of 1 would take away."
)
flags.DEFINE_string("clip", None, "Longest gradient.")
flags.DEFINE_string("kernel_gain", None, "Factor of the initial input weights.")
flags.DEFINE_string(
    "readout_gain", None, "Factor of the initial weights of the read-out."
)
flags.DEFINE_string(
    "samples",
    None,
    "Samples to learn by heart: a range to search (parameters), or their number (random_function).",
)
flags.DEFINE_string("inputs", None, "Binary inputs of a sample (parameters).")
flags.DEFINE_string("size", None, "Numbers in the vector to keep (units).")
flags.DEFINE_string("delay", None, "Steps between the vector and the answer (units).")
flags.DEFINE_string(
    "length", None, "Characters in a window or string (characters, parentheses)."
)
flags.DEFINE_string(
    "digits", None, "Digits of the numbers that are added (arithmetic)."
)
flags.DEFINE_bool(
    "at_once", False, "Show all inputs at the first step (random_function)."
)


@dataclasses.dataclass(frozen=True)
class Config:
    """A run: what is trained (`settings`, one value each) and over what (`axes`)."""

    task: str
    cells: tuple[str, ...]
    recurrent_inits: tuple[str, ...]
    layers: tuple[int, ...]
    steps: tuple[int | None, ...]
    budgets: tuple[int, ...]
    hidden_sizes: tuple[int, ...]
    task_settings: tuple[tuple[str, int | str | bool], ...]
    space: tuple[tuple[str, search.Range], ...]
    study: capacity.Study

    @property
    def settings(self) -> dict:
        plan = dataclasses.asdict(self.study.plan)
        del plan["draws"]
        ranges = {name: [r.low, r.high] for name, r in self.space}
        return {
            "task": self.task,
            "task_settings": dict(self.task_settings),
            "optimizers": list(self.study.optimizers),
            "ranges": ranges,
            **plan,
        }

    @property
    def axes(self) -> dict[str, list]:
        names = (
            "cells",
            "recurrent_inits",
            "layers",
            "steps",
            "budgets",
            "hidden_sizes",
        )
        axes = {
            name: [value for value in getattr(self, name) if value is not None]
            for name in names
        }
        return axes | {"seeds": list(self.study.plan.draws)}

    def points(self) -> list[capacity.Point]:
        """Every network shape of the run. Raises `_flags.UsageError`."""
        sizes = self.budgets or self.hidden_sizes
        return [
            self._point(*axes)
            for axes in itertools.product(
                self.cells, self.recurrent_inits, self.layers, self.steps, sizes
            )
        ]

    def _point(
        self, cell: str, recurrent_init: str, layers: int, steps: int | None, size: int
    ) -> capacity.Point:
        task = TASKS[self.task](**self._task_settings(steps))
        make = self._make(cell, recurrent_init)
        if self.budgets:
            try:
                network, budget = (
                    capacity.largest_network(make, task, size, layers),
                    size,
                )
            except ValueError as error:
                raise _flags.UsageError(
                    "budgets", size, f"{error} ({cell})", "more parameters"
                ) from None
        else:
            network = networks.Network(
                networks.stack(lambda: make(hidden_size=size), layers),
                outputs=task.outputs,
            )
            budget = networks.parameter_count(network, task.input_size)
        space = {
            name: r
            for name, r in self.space
            if name != "keep_bias" or name in registry.options(cell)
        }
        if self.task == "parameters" and "samples" not in space:
            ends = (
                min(max(2.0, share * budget), self.study.most_samples)
                for share in _presets.SAMPLES_PER_PARAMETER
            )
            space["samples"] = search.Range(*ends)
        gains = tuple(
            name
            for name in ("kernel_gain", "recurrent_gain", "readout_gain", "keep_bias")
            if name in space
        )
        labels = {"benchmark": "capacity", "task": self.task}
        labels |= capacity.labels(network, task, cell, budget, recurrent_init)
        return capacity.Point(network, task, space, labels, gains)

    def _task_settings(self, steps: int | None) -> dict:
        return dict(self.task_settings) | ({} if steps is None else {"steps": steps})

    @staticmethod
    def _make(cell: str, recurrent_init: str):
        given = (
            {}
            if recurrent_init == capacity.OWN
            else {"recurrent_init": INITIALIZERS[recurrent_init]}
        )
        return functools.partial(registry.CELLS[cell], **given)

    def describe(self, row: dict) -> dict:
        """The network of a row, as `checkpoints` writes it."""
        network = {
            key: row[key]
            for key in ("cell", "recurrent_init", "hidden_size", "layers", "seed")
        }
        settings = self._task_settings(row["steps"])
        return network | {
            "task": self.task,
            "task_settings": settings,
            "outputs": TASKS[self.task](**settings).outputs,
        }


def config_from_flags() -> Config:
    """Raises `_flags.UsageError`."""
    _flags.take(DEFAULTS)
    task = _flags.choice("task", TASKS, "task")
    preset = _presets.PRESETS[
        "smoke" if FLAGS.smoke else _flags.choice("preset", _presets.PRESETS, "preset")
    ]
    given = [name for name in SIZES if _flags.given(name)]
    if FLAGS.smoke and _flags.given("preset"):
        raise _flags.UsageError(
            "preset", FLAGS.preset, "given with --smoke", "one of the two"
        )
    if FLAGS["layers"].present > 1:
        raise _flags.UsageError(
            "layers", FLAGS.layers, "given with --depths", "one of the two"
        )
    if len(given) == 2:
        raise _flags.UsageError(
            "hidden_sizes",
            FLAGS.hidden_sizes,
            f"given with --budgets={FLAGS.budgets}",
            "one of the two",
        )
    fields = {field.name for field in dataclasses.fields(TASKS[task])}
    _refuse_flags_of_other_tasks(task, fields)
    cells = tuple(_runs.cells(registry.CELLS))
    if _flags.given("keep_bias") and not any(
        "keep_bias" in registry.options(cell) for cell in cells
    ):
        raise _flags.UsageError(
            "keep_bias",
            FLAGS.keep_bias,
            f"not an option of --cell={FLAGS.cell}",
            "a cell with one, as gru",
        )
    taken = preset.get(task, preset["other"]).items()
    _flags.take(
        {
            name: value
            for name, value in taken
            if not (name in SIZES and given) and not (name == "batch" not in fields)
        }
    )
    _flags.take({"finalists": "1", "judges": "3"})
    settings = _task_settings(fields)
    most = (
        2 ** settings.get("inputs", TASKS[task].inputs)
        if task == "parameters"
        else 2**31
    )
    return Config(
        task=task,
        cells=cells,
        recurrent_inits=_names(
            "recurrent_init", INITIALIZERS, "initialiser", (capacity.OWN,)
        ),
        layers=tuple(_flags.wholes("layers", 1, 64)),
        steps=tuple(_flags.wholes("steps", 1, 1000))
        if FLAGS.steps is not None
        else (None,),
        budgets=tuple(_flags.wholes("budgets", 1, MOST_PARAMETERS))
        if FLAGS.budgets is not None
        else (),
        hidden_sizes=tuple(_flags.wholes("hidden_sizes"))
        if FLAGS.hidden_sizes is not None
        else (),
        task_settings=tuple(settings.items()),
        space=tuple(_space(task, most).items()),
        study=capacity.Study(
            search.Plan(
                trials=_flags.whole("trials", 1, MOST_TRIALS),
                rungs=_flags.whole("rungs", 1, 20),
                factor=_flags.whole("factor", 2, 64),
                updates=_flags.whole("updates"),
                draws=_draws(),
                finalists=_flags.whole("finalists", 1, 1000),
                judges=_flags.whole("judges", 2, 1000),
                moves=_flags.whole("moves", 0, 100),
            ),
            _names("optimizer", training.OPTIMIZERS, "optimiser", ()),
            most,
        ),
    )


def _draws() -> tuple[int, ...]:
    """The seeds of the result, below those of the search."""
    draws = _flags.seeds()
    if draws[-1] >= search.SEEDS_OF_A_RUNG:
        raise _flags.UsageError(
            "first_seed",
            FLAGS.first_seed,
            "seeds that the search itself uses",
            f"0 to {search.SEEDS_OF_A_RUNG - len(draws)}",
        )
    return draws


def _refuse_flags_of_other_tasks(task: str, fields: set[str]) -> None:
    takers = {
        name: {field.name for field in dataclasses.fields(TASKS[name])}
        for name in TASKS
    }
    takers["parameters"].add("samples")
    for flag in sorted(
        set().union(*takers.values()) - takers[task] - {"sha256", "rows"}
    ):
        if _flags.given(flag):
            allowed = ", ".join(name for name in TASKS if flag in takers[name])
            raise _flags.UsageError(
                flag,
                FLAGS[flag].value,
                f"not an option of --task={task}",
                f"with --task={allowed}",
            )


def _names(flag: str, table, what: str, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """The comma list of names in `table` given to a flag, or `otherwise`."""
    if FLAGS[flag].value is None:
        return otherwise
    for name in _flags.words(flag):
        if name not in table:
            raise _flags.UsageError(
                flag,
                FLAGS[flag].value,
                f"no such {what} {name!r}",
                f"a comma list of {', '.join(table)}",
            )
    return tuple(_flags.words(flag))


def _task_settings(fields: set[str]) -> dict[str, int | str | bool]:
    """The values of the task's own flags, as far as they are set."""
    wholes = ("inputs", "size", "delay", "length", "batch", "samples", "digits")
    settings = {
        name: _flags.whole(name)
        for name in wholes
        if name in fields and FLAGS[name].value is not None
    }
    if settings.get("digits", 1) > 9:
        raise _flags.UsageError(
            "digits", settings["digits"], "too many", "whole numbers from 1 to 9"
        )
    if "inputs" in settings and settings["inputs"] > 32:
        raise _flags.UsageError(
            "inputs", settings["inputs"], "too many", "whole numbers from 1 to 32"
        )
    if "at_once" in fields:
        settings["at_once"] = FLAGS.at_once
    if "text" not in fields:
        return settings
    source = FLAGS.text or "embedded"
    try:
        text = corpus.read(source)
    except (OSError, ValueError) as error:
        problem = (
            error.strerror or str(error) if isinstance(error, OSError) else str(error)
        )
        raise _flags.UsageError(
            "text",
            source,
            problem,
            "a text file, plain, .gz or .zip, text8, or embedded",
        ) from None
    longest = int(len(text) * characters.TEST_SHARE) - 2
    if settings.get("length", characters.Characters.length) > longest:
        raise _flags.UsageError(
            "length", settings["length"], "too long for the text", f"1 to {longest}"
        )
    return settings | {"text": source, "sha256": corpus.digest(source)}


def _space(task: str, most_samples: int) -> dict[str, search.Range]:
    """Where each setting may lie: its flag, else the preset's range."""
    space = dict(_presets.SPACES.get(task, _presets.SPACES["other"]))
    for name, usual in space.items():
        ends = _flags.span(name, *_presets.LIMITS[name])
        if ends and usual.log and ends[0] == 0 < ends[1]:
            raise _flags.UsageError(
                name,
                FLAGS[name].value,
                "searched by orders of magnitude",
                "a range that does not begin at 0",
            )
        if ends:
            space[name] = search.Range(*ends, log=usual.log)
    if task == "parameters" and FLAGS.samples is not None:
        space["samples"] = search.Range(*_flags.span("samples", 2, most_samples))
    return space


def main() -> int:
    config = config_from_flags()
    name = f"{config.task}/{'+'.join(config.cells)}"
    points = config.points()
    folder = _runs.open_folder(
        "capacity", name, config.settings, config.axes, labels=capacity.LABELS
    )
    known = _runs.known(folder)
    share = _processes.share()
    mine = share.of(points)
    mesh = _runs.local_mesh()
    if FLAGS.dry_run:
        _capacity_tables.dry_run(mine, config.study, known, mesh)
        return 0

    def keep(result: lanes.Result) -> None:
        known.update((capacity.row_label(row), row) for row in result.rows)
        if config.task != "parameters":
            _save_networks(config, folder.path, result)

    todo = groups(config, known, share)
    cost = capacity.expected_cost(mine, config.study, known)
    rows = _runs.carry_out(
        folder,
        todo,
        cost,
        mesh,
        figures.summary,
        keep,
        share,
        lambda known: left(config, known),
    )
    show(config, rows, folder.path)
    return 0


def groups(
    config: Config, known: dict, share: _processes.Share = _processes.WHOLE
) -> Iterator[lanes.Group]:
    """What the searches ask for and has no row yet; see `capacity.groups`."""
    return capacity.groups(
        share.of(config.points()), config.study, known, _runs.local_mesh()
    )


def arithmetic(config: Config):
    """The context that lanes are computed in."""
    return contextlib.nullcontext()


def left(config: Config, known: dict) -> str:
    """How many searches have not ended."""
    slices = [
        _processes.Share(k, len(config.points())) for k in range(len(config.points()))
    ]
    unfinished = (next(groups(config, known, one), None) is not None for one in slices)
    return _runs.counted(sum(unfinished), "search").replace("searchs", "searches")


def show(config: Config, rows: list[dict], path) -> None:
    """Pictures and tables."""
    figures.draw(rows, path)
    _capacity_tables.show(rows, path)


def _save_networks(config: Config, path, result: lanes.Result) -> None:
    """Keeps the networks of the fresh draws."""
    for lane, row in enumerate(result.rows):
        if row["stage"] == search.DRAWS and row["status"] == "trained":
            variables = jax.tree.map(lambda leaf: leaf[lane], result.state.variables)  # noqa: B023
            start = (
                ""
                if row["recurrent_init"] == capacity.OWN
                else f"-{row['recurrent_init']}"
            )
            steps = f"-t{row['steps']}" if row["steps"] else ""
            name = f"{row['cell']}{start}-n{row['hidden_size']}-l{row['layers']}{steps}-s{row['seed']}"
            checkpoints.save(path / "networks" / name, config.describe(row), variables)


if __name__ == "__main__":
    _flags.start(main)
