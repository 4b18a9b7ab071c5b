"""Options of capacity: presets, flags of tasks, and wrong command lines."""

import functools
import json
import os
import pathlib
import subprocess
import sys

import pytest

from benchmarks import capacity
from benchmarks.common import flags
from rnnjax.capacity import presets
from rnnjax.capacity.config import configure
from rnnjax.results import rows as rows_lib
from rnnjax.settings import Range, SettingError
from rnnjax.tasks.registry import TASKS

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def binary(command):
    return functools.partial(command, capacity)


@pytest.mark.parametrize("preset", presets.PRESETS)
@pytest.mark.parametrize("task", TASKS)
def test_presets_are_what_their_table_says(task, preset):
    """Every value of a preset reaches the plan, the axes or the task."""
    chosen = {"smoke": True} if preset == "smoke" else {"preset": preset}
    config = configure({"task": task, **chosen})
    values = dict(presets.PRESETS[preset].get(task, presets.PRESETS[preset]["other"]))
    for size in ("budgets", "hidden_sizes"):
        assert getattr(config, size) == values.pop(size, ())
    assert len(config.plan.result_seeds) == values.pop("seeds")
    for name, default in (("finalists", 1), ("selection_seeds", 3)):
        assert getattr(config.plan, name) == values.pop(name, default)
    for name in ("trials", "rungs", "updates"):
        assert getattr(config.plan, name) == values.pop(name)
    assert config.learn_carry == values.pop("learn_carry", False)
    for name, value in values.items():
        number = int(value.low) if isinstance(value, Range) else value
        assert getattr(config.task, name) == number


def test_what_is_given_overrules_the_preset():
    config = configure(
        {
            "task": "units",
            "preset": "long",
            "trials": 77,
            "seeds": 4,
            "first_seed": 2,
            "budgets": (900,),
            "batch": 3,
            "clip": Range(0.5, 2.0),
        }
    )
    assert (config.plan.trials, config.plan.result_seeds) == (77, (2, 3, 4, 5))
    assert (config.budgets, config.hidden_sizes) == ((900,), ())
    assert config.task.batch == 3
    assert config.space["clip"] == Range(0.5, 2.0)


def test_a_flag_has_the_type_of_the_value_in_python():
    argv = ["capacity", "--clip=0.5:2", "--budgets=60,30", "--cell=gru", "--noat_once"]
    assert flags.parse(argv, (), capacity.BENCHMARK.options) == {
        "clip": Range(0.5, 2.0),
        "budgets": (30, 60),
        "cell": ("gru",),
        "at_once": False,
    }


def test_a_task_takes_samples_as_a_range_or_as_a_number():
    assert configure({"samples": Range(50, 99)}).space["samples"] == Range(50, 99)
    task = "random_function"
    assert configure({"task": task, "samples": Range(7, 7)}).task.samples == 7
    with pytest.raises(SettingError, match="allowed: one whole number"):
        configure({"task": task, "samples": Range(7, 9)})


def test_help_tells_the_defaults_of_presets_and_tasks(binary):
    status, out, _ = binary("--help")
    words = " ".join(out.split())
    assert status == 0
    assert "(default: quick 64 (units 8, other 16), long 512 (units 32" in words
    assert "--length Characters in a window (characters 50). Symbols in a" in words
    assert "update (units 128, random_function 256, characters 32, paren" in words
    assert "--steps" in words
    assert "padded_samples" not in words


NEW_TASK = """
import dataclasses
import json
import sys

import jax.numpy as jnp

from rnnjax.settings import setting
from rnnjax.tasks import registry
from rnnjax.tasks.task import score_key
from rnnjax.tasks.units import Units


@dataclasses.dataclass(frozen=True)
class Echo(Units):
    copies: int = setting(2, "Times the vector is shown.", high=9)

    scores = Units.scores | {"worst": score_key("largest squared error")}

    def sample(self, data, key, count=None):
        batch = super().sample(data, key, count)
        return batch._replace(x=jnp.repeat(batch.x, self.copies, axis=0))

    def score(self, outputs, batch):
        worst = jnp.max(jnp.square(outputs - batch.target))
        return super().score(outputs, batch) | {"worst": worst}


registry.TASKS["echo"] = Echo

from benchmarks import capacity
from benchmarks.common import command, main

for argv in json.loads(sys.argv[1]):
    try:
        command.start(main.command_of(capacity.BENCHMARK), ["capacity", *argv])
    except SystemExit as exit:
        print("status", exit.code, flush=True)
"""


@pytest.mark.slow
def test_a_new_task_is_an_entry_in_the_table_of_tasks_alone(tmp_path):
    """Its new setting is a flag; its new score is in rows, summary and table."""
    tiny = ["--task=echo", "--size=4", "--hidden_sizes=2", "--trials=1", "--rungs=1"]
    tiny += ["--updates=5", "--seeds=2", "--copies=3", "--out_dir=run"]
    commands = [["--help"], tiny, ["--task=units", "--copies=3"]]
    result = subprocess.run(
        [sys.executable, "-c", NEW_TASK, json.dumps(commands)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    shown, ran, refused = result.stdout.split("status ")[:3]
    assert "--copies\n      Times the vector is shown (echo 2)." in shown
    assert refused.startswith("0"), result.stderr
    assert "worst" in ran
    rows = rows_lib.read_rows(tmp_path / "run")
    assert rows[0]["scores"] == ["loss", "worst"]
    assert all(row["worst"] > row["loss"] for row in rows)
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["settings"]["task_settings"]["copies"] == 3
    summary = (tmp_path / "run/summary.csv").read_text().splitlines()
    worst = dict(zip(*(line.split(",") for line in summary)))["worst"]
    draws = [row["worst"] for row in rows if row["stage"] == "draws"]
    assert float(worst) == pytest.approx(sum(draws) / len(draws), rel=1e-4)
    line = "--copies=3: not an option of --task=units; allowed: with --task=echo\n"
    assert result.stderr == f"capacity: {line}"


WRONG = {
    "unknown task": (
        ["--task=chess"],
        "--task=chess: no such task; allowed: parameters, units, random_function",
    ),
    "no keep bias": (
        ["--cell=rnn_tanh", "--keep_bias=1"],
        "--keep_bias=1: not an option of rnn_tanh; allowed: with ugrnn, ",
    ),
    "unknown cell": (
        ["--cell=x"],
        "--cell=x: no such cell 'x'; allowed: all, or a comma list of rnn_tanh",
    ),
    "smoke and a preset": (
        ["--smoke", "--preset=paper"],
        "--preset=paper: given with --smoke; allowed: one of the two",
    ),
    "no sizes": (["--budgets="], "--budgets=: no number"),
    "too many digits": (
        ["--task=arithmetic", "--digits=12"],
        "--digits=12: '12' is no such number; allowed: whole numbers from 1 to 9",
    ),
    "seeds of the search": (
        ["--first_seed=1000000"],
        "--first_seed=1000000: seeds that the search itself uses; allowed: 0 to",
    ),
    "no search": (
        ["--searches=0"],
        "--searches=0: '0' is no such number; allowed: whole numbers from 1 to 64",
    ),
    "unknown preset": (
        ["--preset=huge"],
        "--preset=huge: no such preset; allowed: smoke, quick, long, paper",
    ),
    "unknown optimizer": (
        ["--optimizer=adam,magic"],
        "--optimizer=adam,magic: no such optimizer 'magic'; allowed: a comma list",
    ),
    "unknown initializer": (
        ["--recurrent_init=warm"],
        "--recurrent_init=warm: no such recurrent_init 'warm'; allowed: a comma list "
        "of glorot",
    ),
    "no rate": (
        ["--learning_rate=0"],
        "--learning_rate=0: not such a number or range; allowed: a number from 1e-12 "
        "to 1e+06",
    ),
    "a negative rate": (
        ["--learning_rate=-1:1"],
        "--learning_rate=-1:1: not such a number or range",
    ),
    "an empty range": (
        ["--clip="],
        "--clip=: not such a number or range; allowed: a number from 1e-12",
    ),
    "half a range": (["--clip=1:"], "--clip=1:: not such a number or range"),
    "a range upside down": (
        ["--clip=2:1"],
        "--clip=2:1: the lower bound is above the upper",
    ),
    "a range from 0": (
        ["--weight_decay=0:1"],
        "--weight_decay=0:1: searched by orders of magnitude",
    ),
    "a budget below one unit": (
        ["--budgets=20"],
        "--budgets=20: a budget of 20 parameters is too small for one unit",
    ),
    "no budget": (["--budgets=0"], "--budgets=0: '0' is no such number"),
    "two kinds of size": (
        ["--budgets=99", "--hidden_sizes=4"],
        "--hidden_sizes=4: given with --budgets=99; allowed: one",
    ),
    "one sample": (
        ["--samples=1:9"],
        "--samples=1:9: not such a number or range; allowed: a number from 2 to "
        "1.67772e+07",
    ),
    "more rows than inputs": (
        ["--inputs=5", "--samples=20:40"],
        "--samples=20:40: not such a number or range; allowed: a number from 2 to 32",
    ),
    "too many inputs": (
        ["--inputs=33"],
        "--inputs=33: '33' is no such number; allowed: whole numbers from 1 to 32",
    ),
    "no updates": (["--updates=0"], "--updates=0: '0' is no such number"),
    "a text that is not there": (
        ["--task=characters", "--text=no.txt"],
        "--text=no.txt: No such file or directory; allowed: a text",
    ),
    "an option of another task": (
        ["--task=units", "--length=5"],
        "--length=5: not an option of --task=units; allowed: with --task=characters, "
        "parentheses",
    ),
    "samples of a task without": (
        ["--task=units", "--samples=5"],
        "--samples=5: not an option of --task=units; allowed: with --task=parameters, "
        "random_function",
    ),
    "too long a window": (
        ["--task=characters", "--length=999999999"],
        "--length=999999999: too long for the text",
    ),
    "no size": (["--task=units", "--size=-1"], "--size=-1: '-1' is no such number"),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(binary, tmp_path, arguments, message):
    status, out, err = binary(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())
