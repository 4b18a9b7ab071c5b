"""Output that nobody reads, or that cannot be written, and the exit status then."""

import io
import os
import sys

import pytest

from benchmarks.common import errors, output, terminal
from rnnjax.results.tables import Table


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command that prints a table and says whether something is wrong."""

    def with_output(stream, wrong=0, text="28 ± 44"):
        def work():
            terminal.table(Table("a table", ("key", "value"), [["a", text]], ["note"]))
            print(text, flush=True)
            return wrong

        monkeypatch.setattr(sys, "stdout", stream)
        status = output.run("made", work)
        assert sys.stdout is stream
        return status, capsys.readouterr().err

    return with_output


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_reader_that_has_left_changes_nothing(run, wrong):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        assert run(stream, wrong) == (wrong, "")


@pytest.mark.parametrize("wrong, status", [(0, errors.NOT_PRINTED), (1, 1)])
def test_a_full_disk_has_an_exit_status_of_its_own(run, wrong, status):
    line = "made: standard output cannot be written (No space left on device)\n"
    with open("/dev/full", "w") as stream:
        assert run(stream, wrong) == (status, line)


def test_closed_streams_are_none_and_nothing_is_printed(run, monkeypatch):
    assert run(None) == (0, "")
    monkeypatch.setattr(sys, "stderr", None)
    assert output.run("made", lambda: print("x", file=sys.stderr) or 0) == 0


def test_a_character_that_cannot_be_shown_is_replaced(run):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    assert run(stream, text="28 ± 44 ∞") == (0, "")
    stream.flush()
    printed = stream.buffer.getvalue().decode()
    assert printed.count("28 +- 44 ?") == 2 and "note" in printed
