"""A run folder and the commands that made it, for binaries that look at finished runs."""

import contextlib
import importlib
import shlex
from collections.abc import Iterator

from absl import flags
from absl.testing import flagsaver

from benchmarks.common import flags as _flags
from benchmarks.common import runs as _runs
from rnnjax.results import records

FLAGS = flags.FLAGS
BENCHMARKS = ("memory_stability", "capacity", "autocomplete")
ALLOWED = f"a run folder of {', '.join(BENCHMARKS)}"


def folder(run_dir: str) -> records.Folder:
    """The run folder. Raises `_flags.UsageError` if it is none, or one of another schema."""
    try:
        path = _runs.opened(run_dir)
        config = records.read_config(path)
        if config["schema"] != records.SCHEMA or config["benchmark"] not in BENCHMARKS:
            raise records.RefusedError(
                f"it holds a run of schema {config['schema']!r} of {config.get('benchmark')!r}",
                ALLOWED,
            )
        labels = tuple(config["labels"])
        return records.Folder(
            path, config["benchmark"], config["settings"], config["axes"], labels=labels
        )
    except records.RefusedError as error:
        raise _flags.FileError(run_dir, error.problem, error.allowed) from None
    except (FileNotFoundError, NotADirectoryError):
        raise _flags.FileError(
            run_dir or '""', "it is no run folder", ALLOWED
        ) from None
    except OSError as error:
        raise _flags.FileError(
            run_dir, f"it cannot be read ({error.strerror or error})", ALLOWED
        ) from None


def known(run: records.Folder) -> dict[tuple, dict]:
    """The rows of the run, by their labels. Raises `_flags.UsageError` for damaged ones."""
    try:
        return run.known()
    except records.RefusedError as error:
        raise _flags.FileError(run.path, error.problem, error.allowed) from None


def module(run: records.Folder):
    """The binary that made the run."""
    return importlib.import_module(f"benchmarks.{run.config['benchmark']}")


@contextlib.contextmanager
def flags_of(command: str, run_dir) -> Iterator[None]:
    """Within it, flags are those of a command, with the run folder where it is now."""
    with flagsaver.flagsaver():
        FLAGS.unparse_flags()
        FLAGS(shlex.split(command)[2:])
        FLAGS.out_dir = str(run_dir)
        yield


def configs(run: records.Folder) -> Iterator:
    """The config of every command of the run, one after another; flags are those of its command until the next is asked for."""
    made_by = module(run)
    for command in run.config["commands"]:
        with flags_of(command, run.path):
            yield made_by.config_from_flags()
