"""How a command starts and ends: flags, help, signals, errors, exit status.

Every binary is a `Command`. A wrong command line ends in one line that names the flag,
the value, and what is allowed, with exit status 2, before anything is written.
"""

import dataclasses
import signal
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import jax
from absl import flags, logging

from rnnjax import settings
from rnnjax.results import files
from rnnjax.results.schema import SchemaError

from . import compile_cache, errors, output
from . import flags as flags_lib


@dataclasses.dataclass(frozen=True)
class Command:
    """A binary: its name, description, flags, and what it does.

    `options` maps a title of `--help` to the dataclass whose settings are the flags.
    `words` are the names of the arguments that are no flags. `run` gets what stands on
    the command line, by name, and returns the exit status. `more` gives further options
    that what stands there brings with it. `resumes` says of what stands there whether
    the command, once stopped, goes on from what it has kept.
    """

    name: str
    about: str
    options: Mapping[str, type]
    run: Callable[[dict[str, Any]], int | None]
    words: tuple[str, ...] = ()
    presets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    more: Callable[[Sequence[str]], Mapping[str, type]] = lambda argv: {}
    resumes: Callable[[dict[str, Any]], bool] = lambda given: False

    def sections(self, argv: Sequence[str]) -> dict[str, type]:
        """All options that the command has on this command line."""
        return {**self.options, **self.more(argv)}

    @property
    def usage(self) -> str:
        return " ".join([program(self.name), *self.words, "[flags]"])

    def help(self, argv: Sequence[str] = ()) -> str:
        """What --help prints."""
        sections = self.sections(argv)
        return flags_lib.help_text(self.usage, self.about, sections, self.presets)


def start(command: Command, argv: Sequence[str] | None = None) -> NoReturn:
    """Runs a command on a command line, by default this process's, and exits.

    Exit status: 0 done, 1 failed, 2 wrong usage, 74 done but not printed, 75 preempted,
    130 interrupted.
    """
    argv = sys.argv if argv is None else argv
    sys.exit(output.run(command.name, lambda: _checked(command, argv) or 0))


def program(name: str) -> str:
    """What a user types to start a command.

    The package is `rnnjax.benchmarks` where it is installed, and `benchmarks` in a
    checkout.
    """
    if __package__.startswith("rnnjax."):
        return f"rnnjax {name}"
    return f"python -m benchmarks.{name}"


def _checked(command: Command, argv: Sequence[str]) -> int | None:
    """The exit status, with every foreseen error turned into one line."""
    logging.set_verbosity(logging.WARNING)
    warnings.formatwarning = lambda message, *_, **__: f"{command.name}: {message}\n"
    given: dict[str, Any] = {}
    before = _handle_signals(lambda: command.resumes(given))
    try:
        if {"--help", "-help", "-h"} & set(argv[1:]):
            print(command.help(argv))
            return 0
        given = _parse(command, argv)
        compile_cache.keep()
        return command.run(given)
    except flags.UnrecognizedFlagError as error:
        return _wrong(command, f"{error}; allowed: what --help lists")
    except flags.Error as error:
        return _wrong(command, str(error).removeprefix("flag "))
    except settings.SettingError as error:
        return _wrong(command, f"--{error}")
    except errors.UsageError as error:
        return _wrong(command, str(error))
    except errors.Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.status
    except files.FolderError as error:
        return _wrong(command, f"{error.problem}; allowed: {error.allowed}")
    except SchemaError as error:
        return _failed(command, str(error))
    except OSError as error:
        cause = f"{error.filename}: {error.strerror}"
        known = error.filename and error.strerror
        return _failed(command, cause if known else str(error))
    except KeyboardInterrupt:
        line = errors.stop_line("Interrupted", command.resumes(given))
        print(line, file=sys.stderr)
        return errors.INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def _parse(command: Command, argv: Sequence[str]) -> dict[str, Any]:
    """What stands on the command line; JAX's and absl's own flags are set aside."""
    jax.config.parse_flags_with_absl()
    try:
        rest = flags.FLAGS(list(argv), known_only=True)
        return flags_lib.parse(rest, command.words, *command.sections(rest).values())
    except settings.SettingError:
        raise
    except (ValueError, TypeError, OSError) as error:
        raise flags.Error(str(error)) from None


def _handle_signals(resumes: Callable[[], bool]) -> Any:
    """Makes SIGTERM stop the command with 75; returns the handler from before."""

    def preempted(*_: object) -> NoReturn:
        line = errors.stop_line("Preempted", resumes())
        raise errors.Stopped(errors.PREEMPTED, line)

    before = signal.signal(signal.SIGTERM, preempted)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return before


def _failed(command: Command, problem: str) -> int:
    line = f"{command.name}: {problem}; what was finished before is kept"
    print(line, file=sys.stderr)
    return 1


def _wrong(command: Command, line: str) -> int:
    print(f"{command.name}: {' '.join(line.split())}", file=sys.stderr)
    return 2
