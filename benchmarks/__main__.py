"""One command for all binaries: `rnnjax NAME`, or `python -m benchmarks NAME`."""

import ast
import importlib
import pathlib
import sys
import textwrap
from collections.abc import Sequence
from typing import NoReturn

import rnnjax

from .common import command, completion, output

FOLDER = pathlib.Path(__file__).parent
COMMANDS = [
    path.stem for path in sorted(FOLDER.glob("[a-z]*.py")) if path.stem != "registry"
]
OTHERS = {
    "completion": "Prints what makes bash complete commands, flags and their values.",
    "--version": "Prints the version.",
    "--help": "Prints this; NAME --help prints the flags of a command.",
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command that the first word names on the words after it, and exits."""
    name, *words = [*(sys.argv if argv is None else argv), ""][1:]
    if name in COMMANDS:
        command.start(find(name), [name, *words[:-1]])
    sys.exit(output.run("rnnjax", lambda: _other(name)))


def _other(name: str) -> int:
    if name in ("--help", "-h", "help"):
        print(help_text())
    elif name == "--version":
        print(f"rnnjax {rnnjax.__version__}")
    elif name == "completion":
        every = {name: find(name) for name in COMMANDS}
        print(completion.bash(every, " ".join(OTHERS)))
    else:
        problem = f"no such command {name!r}" if name else "no command"
        allowed = ", ".join([*COMMANDS, *OTHERS])
        print(f"rnnjax: {problem}; allowed: {allowed}", file=sys.stderr)
        return 2
    return 0


def find(name: str) -> command.Command:
    """The command of this name. Imports its module, which may take seconds."""
    return importlib.import_module(f".{name}", __package__).COMMAND


def help_text() -> str:
    """What `--help` prints: every command with what it is for."""
    abouts = {}
    for name in COMMANDS:
        about = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text()))
        abouts[name] = (about or "").split("\n")[0]
    indent = 20 * " "
    lines = [
        textwrap.fill(f"  {name:18}{about}", 80, subsequent_indent=indent)
        for name, about in (abouts | OTHERS).items()
    ]
    usage = f"Usage: {command.program('NAME')} [flags]"
    return "\n".join([usage, "", (rnnjax.__doc__ or "").split("\n")[0], "", *lines])


if __name__ == "__main__":
    main()
