"""How a command ends: exit status, and one line that says why."""

import dataclasses
import signal
import types
import warnings

import pytest

from benchmarks.common import errors
from benchmarks.common.command import Command
from rnnjax.results.files import FolderError
from rnnjax.results.schema import SchemaError
from rnnjax.settings import SettingError, setting


@dataclasses.dataclass(frozen=True)
class Options:
    """One flag."""

    count: int = setting(3, "A count.")


def binary(run):
    """A binary with the flag --count and the word FILE."""
    made = Command("made", "It counts.", {"Flags": Options}, run, words=("FILE",))
    return types.SimpleNamespace(COMMAND=made)


def raising(error):
    def run(given):
        raise error

    return binary(run)


def test_a_command_gets_what_stands_on_its_line(command):
    given = []
    assert command(binary(given.append), "a", "--count=4") == (0, "", "")
    assert command(binary(given.append), "a") == (0, "", "")
    assert given == [{"FILE": "a", "count": 4}, {"FILE": "a"}]
    assert command(binary(lambda given: 1), "a") == (1, "", "")


def test_flags_of_jax_are_set_aside(command):
    given = []
    line = ["a", "--jax_log_compiles=false", "--count=4"]
    assert command(binary(given.append), *line) == (0, "", "")
    assert given == [{"FILE": "a", "count": 4}]


ENDS = {
    "a wrong flag": (
        errors.UsageError("count", 9, "too many", "1 to 8"),
        (2, "made: --count=9: too many; allowed: 1 to 8\n"),
    ),
    "a wrong file": (
        errors.FileError("a", "it is no run folder", "a run folder"),
        (2, "made: a: it is no run folder; allowed: a run folder\n"),
    ),
    "a wrong setting": (
        SettingError("count", (8, 9), "too many", "1 to 8"),
        (2, "made: --count=8,9: too many; allowed: 1 to 8\n"),
    ),
    "a damaged folder": (
        FolderError("rows/g.jsonl is damaged", "to delete that file"),
        (2, "made: rows/g.jsonl is damaged; allowed: to delete that file\n"),
    ),
    "a row that breaks the schema": (
        SchemaError("row key 'a' is missing"),
        (1, "made: row key 'a' is missing; what was finished before is kept\n"),
    ),
    "a full disk": (
        OSError(28, "No space left on device", "/a/b"),
        (
            1,
            "made: /a/b: No space left on device; what was finished before is kept\n",
        ),
    ),
    "an error of another package": (
        OSError("a cannot be written (full)"),
        (1, "made: a cannot be written (full); what was finished before is kept\n"),
    ),
    "a stop": (errors.Stopped(75, "Preempted: so far."), (75, "Preempted: so far.\n")),
    "Ctrl-C": (
        KeyboardInterrupt(),
        (130, "Interrupted.\n"),
    ),
}


@pytest.mark.parametrize("error, ends", ENDS.values(), ids=ENDS)
def test_every_error_that_is_foreseen_is_one_line(command, error, ends):
    before = signal.getsignal(signal.SIGTERM)
    status, out, err = command(raising(error), "a")
    assert (status, err) == ends
    assert out == ""
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_error_that_is_not_foreseen_is_not_hidden(command):
    with pytest.raises(ZeroDivisionError):
        command(raising(ZeroDivisionError()), "a")


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["a", "b", "--cuont", "--help"]])
def test_help_is_printed_whatever_else_is_given(command, words):
    status, out, err = command(raising(AssertionError()), *words)
    assert (status, err) == (0, "")
    assert out.startswith("Usage: python -m benchmarks.made FILE [flags]\n")


def test_a_warning_is_one_line_with_the_name_of_the_binary(command):
    def run(given):
        print(warnings.formatwarning("too many lanes", UserWarning, "f.py", 3), end="")

    assert command(binary(run), "a") == (0, "made: too many lanes\n", "")
