"""Settings: checked alike as fields and as flags; --help lists them with defaults."""

import dataclasses
import re
import shlex

import pytest
import tiny
from absl import flags as absl_flags

from benchmarks import compare, merge, peers, registry, suite, timing, verify
from benchmarks.common import flags, main
from benchmarks.common.benchmark import RunOptions
from rnnjax import settings
from rnnjax.settings import Range, SettingError, setting


@dataclasses.dataclass(frozen=True)
class Options:
    """A setting of every kind."""

    count: int = setting(5, "A count.")
    index: int = setting(0, "An index.", low=0, high=9)
    offset: int | None = setting(None, "An offset.", low=-3)
    scale: float = setting(1.0, "A scale.")
    rate: float | None = setting(None, "A rate.", low=0.0, high=2.5)
    shift: float = setting(0.0, "A shift.", high=0)
    name: str = setting("a", "A name.", choices=("a", "b"))
    path: str | None = setting(None, "A path.")
    sizes: tuple[int, ...] = setting((1, 2), "Sizes.", high=64)
    cells: tuple[str, ...] = setting(
        ("gru",), "Cells.", choices=("gru", "lstm"), all_choices=True
    )
    kinds: tuple[str, ...] = setting(("x",), "Kinds.", choices=("x", "y"))
    words: tuple[str, ...] | None = setting(None, "Words.")
    search: Range | None = setting(None, "A range.", low=1e-3, high=1e3)
    free: Range = setting(Range(0.5, 2.0), "A free range.")
    full: bool = setting(False, "All of it.")
    quick: bool = setting(True, "Some of it.")
    plain: int = 7  # no setting: neither checked nor a flag

    def __post_init__(self):
        settings.validate(self)


RIGHT = {
    "--count=1": ("count", 1),
    "--count=2147483647": ("count", 2147483647),
    "--index=0": ("index", 0),
    "--index=9": ("index", 9),
    "--offset=-3": ("offset", -3),
    "--scale=0": ("scale", 0.0),
    "--scale=-2.5e-3": ("scale", -2.5e-3),
    "--scale=1e30": ("scale", 1e30),
    "--rate=2.5": ("rate", 2.5),
    "--shift=-1e30": ("shift", -1e30),
    "--name=b": ("name", "b"),
    "--path=": ("path", ""),
    "--path=a, b": ("path", "a, b"),
    "--sizes=64": ("sizes", (64,)),
    "--sizes=8,2, 4": ("sizes", (2, 4, 8)),
    "--cells=lstm,gru": ("cells", ("lstm", "gru")),
    "--cells=all": ("cells", ("gru", "lstm")),
    "--kinds=y": ("kinds", ("y",)),
    "--words=c,a, b": ("words", ("c", "a", "b")),
    "--words=all": ("words", ("all",)),
    "--search=1e-3:1e3": ("search", Range(1e-3, 1e3)),
    "--search=7": ("search", Range(7.0, 7.0)),
    "--free=-1:0": ("free", Range(-1.0, 0.0)),
    "--full": ("full", True),
    "--nofull": ("full", False),
    "--full=false": ("full", False),
    "--quick=True": ("quick", True),
    "--noquick": ("quick", False),
}


@pytest.mark.parametrize("word", RIGHT)
def test_a_flag_is_parsed_into_the_type_of_its_field(word):
    name, value = RIGHT[word]
    given = flags.parse(["options", word], (), Options)
    assert given == {name: value}
    assert type(given[name]) is type(value)
    assert getattr(Options(**given), name) == value


@pytest.mark.parametrize("word", RIGHT)
def test_a_value_as_text_is_parsed_into_itself(word):
    """Commands in config.json are made so, and repeat their runs."""
    name, value = RIGHT[word]
    again = f"--{name}={settings.text(value)}"
    assert flags.parse(["options", again], (), Options) == {name: value}


WRONG = {
    "--count=0": "'0' is no such number; allowed: whole numbers from 1 to 2147483647",
    "--count=2147483648": "'2147483648' is no such number",
    "--count=99999999999999999999": "'99999999999999999999' is no such number",
    "--count=": "no number; allowed: whole numbers from 1 to 2147483647",
    "--count=1.5": "'1.5' is no such number",
    "--count=1_0": "'1_0' is no such number",
    "--count=--5": "'--5' is no such number",
    "--count=1,2": "'1,2' is no such number",
    "--index=-1": "'-1' is no such number; allowed: whole numbers from 0 to 9",
    "--index=10": "'10' is no such number; allowed: whole numbers from 0 to 9",
    "--offset=-4": "'-4' is no such number; allowed: whole numbers from -3 to",
    "--scale=nan": "not such a number; allowed: 0, or a number of size 1e-30 to 1e30",
    "--scale=inf": "not such a number",
    "--scale=1e-31": "not such a number",
    "--scale=much": "not such a number",
    "--scale=": "not such a number",
    "--rate=-0.1": "not such a number; allowed: a number from 0 to 2.5",
    "--rate=2.6": "not such a number",
    "--rate=nan": "not such a number",
    "--shift=1": "not such a number; allowed: a number from -1e30 to 0",
    "--shift=-inf": "not such a number",
    "--name=c": "no such name; allowed: a, b",
    "--name=": "no such name; allowed: a, b",
    "--name=a,b": "no such name; allowed: a, b",
    "--sizes=": "no number; allowed: whole numbers from 1 to 64, separated by commas",
    "--sizes=1,,2": "no number",
    "--sizes=1,65": "'65' is no such number; allowed: whole numbers from 1 to 64, sep",
    "--sizes=many": "'many' is no such number",
    "--sizes=4,4": "an entry is repeated; allowed: every entry once",
    "--cells=": "empty entry; allowed: all, or a comma list of gru, lstm",
    "--cells=gru,rnn": "no such cells 'rnn'; allowed: all, or a comma list of gru, lst",
    "--cells=gru,all": "no such cells 'all'",
    "--cells=gru,gru": "an entry is repeated; allowed: every entry once",
    "--kinds=all": "no such kinds 'all'; allowed: a comma list of x, y",
    "--words=a,,b": "empty entry; allowed: a comma list such as a,b",
    "--search=0:1": "not such a number or range; allowed: a number from 0.001 to 1000,"
    " or a range low:high of two",
    "--search=1:2:3": "not such a number or range",
    "--search=1:": "not such a number or range",
    "--search=nan:1": "not such a number or range",
    "--search=2:1": "the lower bound is above the upper",
    "--free=1e-31:1": "not such a number or range; allowed: 0, or a number of size "
    "1e-30 to 1e30, or a range low:high of two",
    "--full=maybe": "'maybe' is neither; allowed: true or false",
}


@pytest.mark.parametrize("word", WRONG)
def test_a_wrong_flag_is_refused_with_what_is_allowed(word):
    with pytest.raises(absl_flags.Error) as error:
        flags.parse(["options", word], (), Options)
    assert str(error.value).startswith(f"flag {word}: {WRONG[word]}")
    assert "; allowed: " in str(error.value)


OF_NO_SUCH_TYPE = {
    "a number as text": {"count": "5"},
    "a fraction": {"count": 5.0},
    "a truth for a number": {"count": True},
    "several for one": {"count": (1, 2)},
    "text for a number": {"scale": "1"},
    "a truth for a fraction": {"scale": False},
    "one for several": {"sizes": 4},
    "a list": {"sizes": [1, 2]},
    "nothing in a list": {"sizes": ()},
    "text for several": {"cells": "gru"},
    "a number for text": {"path": 3},
    "a number for a range": {"search": 1.0},
    "a number for a truth": {"full": 1},
    "text for a truth": {"full": "true"},
    "no count": {"count": None},
    "no truth": {"full": None},
}


@pytest.mark.parametrize("values", OF_NO_SUCH_TYPE.values(), ids=OF_NO_SUCH_TYPE)
def test_a_value_of_another_type_is_refused(values):
    with pytest.raises(SettingError) as error:
        Options(**values)
    (name,) = values
    assert error.value.name == name
    assert str(error.value).startswith(f"{name}=")
    assert error.value.problem and error.value.allowed


def test_a_number_may_be_whole_where_any_is_allowed():
    assert Options(scale=2, rate=0, search=Range(1, 2)).scale == 2


def test_flags_that_are_not_given_are_left_out():
    assert flags.parse(["options"], (), Options) == {}
    given = flags.parse(
        ["options", "--count=5", "--scale", "2", "-index=3"], (), Options
    )
    assert given == {"count": 5, "scale": 2.0, "index": 3}


def test_words_that_are_no_flags_stand_anywhere():
    line = shlex.split("verify a --count=2 b")
    given = flags.parse(line, ("RUN_DIR", "OTHER"), Options)
    assert given == {"count": 2, "RUN_DIR": "a", "OTHER": "b"}


@pytest.mark.parametrize(
    "line, message",
    [
        ("--plain=8", "Unknown command line flag 'plain'"),
        ("--cout=8", "Unknown command line flag 'cout'. Did you mean: count"),
        ("--count=1 --count=2", "--count=1 --count=2: given more than once; allowed: "),
        ("count=2", "'count=2' is no flag; allowed: --count=2"),
        ("two", "'two' is no flag; allowed: flags, which begin with --"),
        ("--count", "Missing value for flag --count"),
    ],
)
def test_a_wrong_command_line_is_refused(line, message):
    with pytest.raises(absl_flags.Error) as error:
        flags.parse(["options", *shlex.split(line)], (), Options)
    assert str(error.value).startswith(message)


def test_words_that_are_missing_are_named():
    message = "OTHER: not given; allowed: RUN_DIR and OTHER and flags, which begin with"
    with pytest.raises(absl_flags.Error, match=message):
        flags.parse(["verify", "a"], ("RUN_DIR", "OTHER"), Options)


def test_a_range_is_spaced_evenly_in_logarithms_or_evenly():
    assert [Range(1.0, 100.0).at(x) for x in (0, 0.5, 1)] == pytest.approx([1, 10, 100])
    even = Range(0.0, 100.0, log=False)
    assert [even.at(x) for x in (0, 0.5, 1)] == [0, 50, 100]
    assert Range(0.0, 0.0).at(0.3) == 0
    assert str(Range(0.1, 0.1)) == "0.1"
    assert str(Range(1 / 3, 1e6)) == "0.3333333333333333:1e+06"


HELP = """\
Usage: python -m benchmarks.options [flags]

What it is for, in one line that is too long for eighty columns and is therefore
wrapped.

  python -m benchmarks.options --count=3

What is measured:

  --count
      A count. (default: 5)
  --index
      An index. (default: 0)
  --offset
      An offset.
  --scale
      A scale. (default: quick 1, long 2)
  --rate
      A rate.
  --shift
      A shift. (default: 0)
  --name
      A name. One of: a, b. (default: a)
  --path
      A path.
  --sizes
      Sizes. (default: 1,2)
  --cells
      Cells. The word all, or a comma list of: gru, lstm. (default: gru)
  --kinds
      Kinds. A comma list of: x, y. (default: x)
  --words
      Words.
  --search
      A range.
  --free
      A free range. (default: 0.5:2)
  --[no]full
      All of it.
  --[no]quick
      Some of it. (default: true)

JAX's own flags, such as --jax_platforms=cpu, are taken as well."""


def test_help_says_every_flag_with_its_choices_and_default():
    about = """What it is for, in one line that is too long for eighty columns and is
therefore wrapped.

    python -m benchmarks.options --count=3
"""
    usage, sections = (
        "python -m benchmarks.options [flags]",
        {"What is measured": Options},
    )
    presets = {"scale": "quick 1, long 2"}
    assert flags.help_text(usage, about, sections, presets) == HELP


TOOLS = {
    "merge": merge,
    "verify": verify,
    "timing": timing,
    "compare": compare,
    "peers": peers,
    "suite": suite,
}
COMMANDS = {
    name: main.command_of(benchmark) for name, benchmark in registry.BENCHMARKS.items()
} | {name: module.COMMAND for name, module in TOOLS.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_binary_has_exactly_its_flags_in_80_columns(name):
    command = COMMANDS[name]
    lines = command.help().splitlines()
    assert lines[0].startswith(f"Usage: python -m benchmarks.{name} ")
    assert max(map(len, lines)) <= 80
    listed = re.findall(r"^  --(?:\[no\])?(\w+)$", command.help(), re.MULTILINE)
    taken = flags.define(*command.options.values())
    assert listed == [
        field.name
        for config in command.options.values()
        for field in settings.fields(config)
    ]
    assert set(listed) == set(taken)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", COMMANDS)
def test_defaults_of_a_binary_are_values_it_takes(name):
    for config in COMMANDS[name].options.values():
        for field in settings.fields(config):
            assert field.about.help.endswith((".", ")")), field.name
            if field.default is not None:
                settings.check(field, field.default)


@pytest.mark.parametrize("name", registry.BENCHMARKS)
def test_every_benchmark_takes_the_flags_that_say_how_a_run_is_made(name):
    shared = {field.name for field in settings.fields(RunOptions)}
    own = {field.name for field in settings.fields(registry.BENCHMARKS[name].options)}
    assert not shared & own
    assert shared | own == set(flags.define(*COMMANDS[name].options.values()))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_no_failure(command, name):
    binary = (tiny.BINARIES | TOOLS)[name]
    assert command(binary, "--help") == (0, COMMANDS[name].help() + "\n", "")


@pytest.mark.parametrize(
    "name, flag, near",
    [
        ("memory_stability", "budgets", "budget"),
        ("memory_stability", "step", "steps"),
        ("capacity", "hidden_size", "hidden_sizes"),
        ("autocomplete", "max_eval_window", "max_eval_windows"),
        ("memory_stability", "text", None),
        ("capacity", "lyapunov", None),
        ("autocomplete", "task", None),
    ],
)
def test_a_flag_of_another_binary_is_unknown(command, name, flag, near):
    status, out, err = command(tiny.BINARIES[name], f"--{flag}=1")
    start = f"{name}: Unknown command line flag '{flag}'"
    hint = f". Did you mean: {near}" if near else ""
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(start + hint)
    assert err.endswith("; allowed: what --help lists\n")
