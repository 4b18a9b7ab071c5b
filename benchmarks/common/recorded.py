"""A finished run folder, and the configs of the commands that made it."""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from rnnjax.results import files, rows
from rnnjax.results.folder import Description, Folder
from rnnjax.results.schema import Row

from . import errors, flags, main
from .benchmark import Benchmark


@dataclasses.dataclass(frozen=True)
class Run:
    """A run folder with its benchmark and its rows by identity."""

    benchmark: Benchmark
    folder: Folder
    known: dict[tuple[Any, ...], Row]

    @property
    def configs(self) -> Iterator[Any]:
        """The config of every command that made the run."""
        for command in self.folder.config["commands"]:
            words = [word for word in shlex.split(command) if word.startswith("--")]
            argv = [self.benchmark.name, *words]
            sections = main.command_of(self.benchmark).sections(argv)
            given = flags.parse(argv, (), *sections.values())
            config = main.configure(self.benchmark, given)
            for cell, now in config.own_cells.items():
                if self.folder.config["own_cells"].get(cell) != now:
                    problem = f"the source file of {cell} has changed since"
                    raise files.FolderError(problem, "the cell as it was then")
            yield config


def open_run(path: str, benchmarks: Mapping[str, Benchmark]) -> Run:
    """Opens a run folder. Raises `errors.FileError` if it is none, or damaged."""
    allowed = f"a run folder of {', '.join(benchmarks)}"
    try:
        folder = main.open_path(path)
        config = rows.read_config(folder)
        if config["benchmark"] not in benchmarks:
            problem = f"it holds a run of {config['benchmark']!r}"
            raise files.FolderError(problem, allowed)
        benchmark = benchmarks[config["benchmark"]]
        details = {
            key: value
            for key, value in config.items()
            if key not in ("schema", "commands", "invocations")
        }
        run = Description(
            benchmark=benchmark.name,
            settings=config["settings"],
            axes=config["axes"],
            row_id=benchmark.row_id,
            keys=benchmark.schema,
            details=details,
            own_cells=config.get("own_cells", {}),
        )
        opened = Folder(folder, run)
        return Run(benchmark, opened, opened.known())
    except files.FolderError as error:
        raise errors.FileError(path, error.problem, error.allowed) from None
    except (FileNotFoundError, NotADirectoryError):
        raise errors.FileError(path or '""', "it is no run folder", allowed) from None
    except OSError as error:
        problem = f"it cannot be read ({error.strerror or error})"
        raise errors.FileError(path, problem, allowed) from None
