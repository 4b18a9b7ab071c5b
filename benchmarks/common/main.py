"""What every benchmark's binary does, from flags to pictures."""

import contextlib
import dataclasses
import functools
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from etils import epath

from rnnjax import settings
from rnnjax.cells import own, registry
from rnnjax.engine import ahead
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.runner import Part, ProcessSlice, RowId, unfinished
from rnnjax.results import files, rows
from rnnjax.results.folder import Description, Folder
from rnnjax.results.provenance import provenance
from rnnjax.results.schema import Row

from . import (
    command,
    devices,
    dry_run,
    errors,
    interruptible,
    lock,
    memory,
    processes,
    target,
    terminal,
)
from .benchmark import NOT_RECORDED, Benchmark, RunOptions
from .execute import execute


def own_options(options: Iterable[type], argv: Sequence[str]) -> dict[str, type]:
    """The options of the user's cells that a command line names, beside `options`.

    The cells are tried, so JAX is made ready for the run first. Raises
    `settings.SettingError` for a name that is no cell.
    """
    names = list(_own_cells(argv))
    if names and any(word.startswith("--target") for word in argv):
        target.prepare()
    elif names:
        devices.local_mesh()
    taken = {field.name for some in options for field in settings.fields(some)}
    try:
        found = registry.own_options(names, taken)
    except ValueError as error:
        name = ",".join(names)
        raise settings.SettingError("cell", name, str(error), own.ALLOWED) from None
    return {f"Options of {', '.join(names)}": found} if names else {}


def _own_cells(argv: Sequence[str]) -> Iterator[str]:
    for word, after in zip(argv, [*argv[1:], ""]):
        flag, given, value = word.partition("=")
        if flag in ("--cell", "-cell"):
            names = (value if given else after).split(",")
            yield from (name.strip() for name in names if ":" in name)


def command_of(benchmark: Benchmark) -> command.Command:
    """The benchmark as a command."""
    return command.Command(
        name=benchmark.name,
        about=benchmark.about,
        options={"What is measured": benchmark.options, "How it is run": RunOptions},
        presets=benchmark.presets,
        run=lambda given: run(benchmark, given),
        more=functools.partial(own_options, (benchmark.options, RunOptions)),
        resumes=lambda given: not given.get("dry_run", False),
    )


def run(
    benchmark: Benchmark,
    given: Mapping[str, Any],
    progress: terminal.Progress | None = None,
) -> int:
    """Runs a benchmark with these flags; returns the exit status.

    `progress` is that of a suite that the run is part of; nothing else is shown then.
    """
    started = time.monotonic()
    options = run_options(given)
    if options.target is not None and not options.dry_run:
        problem, allowed = "nothing is run on it", "together with --dry_run"
        raise errors.UsageError("target", options.target, problem, allowed)
    # Before JAX looks for devices.
    planned = None if options.target is None else target.find(options.target)
    with opened(benchmark, given) as (config, folder, known):
        piece = processes.slice_of(options)
        parts = piece.of(benchmark.parts(config, piece.count))
        if planned is not None:
            _show_target(benchmark, config, parts, known, planned)
            return 0
        mesh = devices.local_mesh()
        if options.dry_run:
            dry_run.show(benchmark, config, parts, known, mesh, folder.path, started)
            return 0
        if not options.force:
            todo = unfinished(parts, benchmark.row_id, mesh, known)
            memory.check(benchmark, todo, mesh, known)
        _run_missing(
            benchmark, config, folder, options, piece, parts, mesh, given, progress
        )
    return 0


@contextlib.contextmanager
def opened(
    benchmark: Benchmark, given: Mapping[str, Any]
) -> Iterator[tuple[Any, Folder, dict[RowId, Row]]]:
    """The config of these flags, its folder, and the rows there; writes nothing."""
    config = configure(benchmark, given)
    with benchmark.context(config):
        folder = _folder(benchmark, config, run_options(given))
        try:
            known = folder.known()
        except files.FolderError as error:
            raise _out_dir_error(folder.path, error) from None
        yield config, folder, known


def _show_target(
    benchmark: Benchmark,
    config: Any,
    parts: Sequence[Part],
    known: dict[RowId, Row],
    planned: ahead.Target,
) -> None:
    def work() -> None:
        with benchmark.context(config):  # which is that of a thread
            target.show(benchmark, config, parts, known, planned)

    interruptible.run(work, None, "")


def configure(benchmark: Benchmark, given: Mapping[str, Any]) -> Any:
    """The config of flags, by name; flags of `RunOptions` but --smoke have no part."""
    names = {field.name for field in settings.fields(benchmark.options)} | {"smoke"}
    others = names | {field.name for field in settings.fields(RunOptions)}
    chosen = {k: v for k, v in given.items() if k in names}
    own = {k: v for k, v in given.items() if k not in others}
    return benchmark.configure(chosen | {"own": own} if own else chosen)


def run_options(given: Mapping[str, Any]) -> RunOptions:
    names = {field.name for field in dataclasses.fields(RunOptions)}
    return RunOptions(**{k: v for k, v in given.items() if k in names})


def _folder(benchmark: Benchmark, config: Any, options: RunOptions) -> Folder:
    """The run folder of --out_dir, or the default one; nothing is written yet."""
    if options.out_dir == "":
        raise errors.UsageError("out_dir", "", "no folder", "a folder")
    root = "results/smoke" if options.smoke else "results"
    out_dir = options.out_dir or f"{root}/{benchmark.name}/{config.name}"
    run = Description(
        benchmark=benchmark.name,
        settings=config.settings,
        axes=config.axes,
        row_id=benchmark.row_id,
        keys=benchmark.schema,
        details=benchmark.details(config),
        own_cells=config.own_cells,
    )
    try:
        return Folder(open_path(out_dir), run, options.overwrite)
    except files.FolderError as error:
        raise _out_dir_error(out_dir, error) from None


def open_path(path: str) -> epath.Path:
    """A path on the command line.

    Raises `files.FolderError` if no package here opens such paths.
    """
    try:
        opened = epath.Path(path).expanduser()
        if files.is_remote(path):
            opened.exists()
        return opened
    except Exception as error:  # whatever the package that opens it raises
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        reason = "no such kind of path" if isinstance(error, KeyError) else cause
        problem = f"cannot be opened here ({reason})"
        allowed = "a local folder, or one that etils.epath can open"
        raise files.FolderError(problem, allowed) from None


def _out_dir_error(path: Any, error: files.FolderError) -> errors.UsageError:
    return errors.UsageError("out_dir", path, error.problem, error.allowed)


def _run_missing(
    benchmark: Benchmark,
    config: Any,
    folder: Folder,
    options: RunOptions,
    piece: ProcessSlice,
    parts: list[Part],
    mesh: Mesh,
    given: Mapping[str, Any],
    progress: terminal.Progress | None,
) -> None:
    """Runs what the folder lacks of these parts; shows the results of a whole run."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.held(folder.path, piece))
            folder.create(repeating(benchmark, given), provenance(), piece.name)
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            allowed = "a folder you may write to"
            raise errors.UsageError("out_dir", folder.path, problem, allowed) from None
        known = folder.known()
        todo = unfinished(parts, benchmark.row_id, mesh, known)
        for line in benchmark.describe(config) if todo and not progress else []:
            print(line)
        resume = "the same command" + " without --overwrite" * options.overwrite
        shown = progress or terminal.progress
        execute(benchmark, config, folder, mesh, known, todo, resume, shown)
        if piece.name:
            _stop_unless_whole(benchmark, config, folder, piece, mesh)
        if not todo and not progress:
            terminal.say(
                f"Nothing to do: every lane is in {folder.path}; "
                "tables and pictures are made anew."
            )
        read = folder.finish(benchmark.summary(rows.read_rows(folder.path)))
    if progress:
        benchmark.draw(config, read, folder.path)
    else:
        show(benchmark, config, read, folder.path, options.tables)


def _stop_unless_whole(
    benchmark: Benchmark, config: Any, folder: Folder, piece: ProcessSlice, mesh: Mesh
) -> None:
    """Stops a process whose slice is done while parts of others are missing."""
    missing = missing_parts(benchmark, config, folder.known(), mesh)
    if missing:
        raise errors.Stopped(
            0,
            f"Slice {piece.name.replace('-', ' ')} is done; {missing} missing in "
            f"{folder.path}. The last process shows the results, as does "
            f"{command.program('merge')} {folder.path}.",
        )


def missing_parts(
    benchmark: Benchmark, config: Any, known: dict[tuple[Any, ...], Row], mesh: Mesh
) -> str:
    """How many parts of a run lack rows, such as "2 of 8 shapes"; empty if none."""
    parts = benchmark.parts(config, 1)
    count = len(unfinished(parts, benchmark.row_id, mesh, known))
    if not count:
        return ""
    return f"{count} of {len(parts)} {terminal.plural(benchmark.part, len(parts))}"


def repeating(benchmark: Benchmark, given: Mapping[str, Any]) -> str:
    """The command line that repeats a run: all its flags but `NOT_RECORDED`."""
    words = [
        f"--{name}={settings.text(value)}"
        for name, value in sorted(given.items())
        if name not in NOT_RECORDED
    ]
    return f"{command.program(benchmark.name)} {shlex.join(words)}".rstrip()


def show(
    benchmark: Benchmark, config: Any, read: list[Row], path: epath.Path, tables: str
) -> None:
    """Draws the pictures of a finished run, and prints its tables: compact, or all."""
    benchmark.draw(config, read, path)
    every = benchmark.tables(read)
    shown = [table for table in every if tables == "all" or not table.detail]
    for table in shown:
        terminal.table(table)
    hidden = len(every) - len(shown)
    more = f" --tables=all prints {hidden} more." if hidden else ""
    print(f"Rows, summary and pictures: {path}.{more}")
