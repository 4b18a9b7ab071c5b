"""One command for all binaries, and what completes it."""

import shlex
import subprocess

import pytest

import rnnjax
from benchmarks import __main__ as console
from benchmarks import registry
from benchmarks.common import command


def call(capsys, *words):
    with pytest.raises(SystemExit) as exit_status:
        console.main(["rnnjax", *words])
    out, err = capsys.readouterr()
    return exit_status.value.code or 0, out, err


def test_the_help_lists_every_binary_with_what_it_is_for(capsys):
    assert registry.BENCHMARKS.keys() < set(console.COMMANDS)
    status, out, err = call(capsys, "--help")
    assert (status, err) == (0, "")
    for name in (*console.COMMANDS, *console.OTHERS):
        assert f"\n  {name} " in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_sub_command_is_the_binary(capsys):
    merge = console.find("merge")
    assert call(capsys, "merge", "--help") == (0, merge.help() + "\n", "")
    status, out, err = call(capsys, "merge", "nowhere")
    assert (status, out) == (2, "")
    assert err.startswith("merge: nowhere: it is no run folder; allowed: ")


def test_other_words(capsys):
    assert call(capsys, "--version") == (0, f"rnnjax {rnnjax.__version__}\n", "")
    for words, problem in (((), "no command"), (("grow",), "no such command 'grow'")):
        status, out, err = call(capsys, *words)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"rnnjax: {problem}; allowed: autocomplete, ")


COMPLETED = {
    "mem": ["memory_stability"],
    "memory_stability --lay": ["--layers="],
    "memory_stability --smo": ["--smoke"],
    "memory_stability --cell = lstm_ni": ["lstm_nig", "lstm_niaf"],
    "capacity --preset =": ["smoke", "quick", "long", "paper"],
    "merge fold": [],
}


def test_bash_completes_commands_flags_and_values(capsys):
    status, script, _ = call(capsys, "completion")
    assert status == 0
    for line, expected in COMPLETED.items():
        words = shlex.join(["rnnjax", *line.split()])
        run = f"COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _rnnjax"
        code = f'{script}\n{run}\necho "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
        assert done.stdout.split() == expected, line


def test_a_binary_is_called_as_it_was_installed(monkeypatch):
    assert command.program("merge") == "python -m benchmarks.merge"
    monkeypatch.setattr(command, "__package__", "rnnjax.benchmarks.common")
    assert command.program("merge") == "rnnjax merge"
