"""The runs of a suite, one after another in this process, with one progress display.

They go through `common.main` as those of the binaries do, so that resuming, signals,
slices, locks and rows are theirs.
"""

import contextlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..common import devices, errors, flags, main, terminal
from ..common.benchmark import Benchmark
from ..registry import BENCHMARKS
from .presets import Entry


class Run(NamedTuple):
    """A run of a suite: its flags by name, and about how long it takes.

    `needs` is the run whose trained networks it measures, "" if there is none.
    """

    name: str
    benchmark: Benchmark
    given: Mapping[str, Any]
    seconds: float
    needs: str


def runs(
    table: Mapping[str, Entry],
    folder: str,
    cells: Sequence[str],
    shared: Mapping[str, Any],
) -> list[Run]:
    """The runs of a table, below a folder.

    `cells` join every run that names cells. `shared` are flags of all runs; those of a
    user's cells are of the runs that the cells join.
    """
    return [
        _run(name, entry, folder, cells, shared)
        for name, entry in sorted(table.items(), key=lambda item: bool(item[1].needs))
    ]


def _run(
    name: str,
    entry: Entry,
    folder: str,
    cells: Sequence[str],
    shared: Mapping[str, Any],
) -> Run:
    binary, *words = shlex.split(entry.command)
    words += [f"--network={folder}/{entry.needs}"] if entry.needs else []
    words += [f"--out_dir={folder}/{name}"]
    benchmark = BENCHMARKS[binary]
    sections = main.command_of(benchmark).options.values()
    given = flags.parse([binary, *words], (), *sections)
    own = {k: v for k, v in shared.items() if k not in flags.define(*sections)}
    given |= {k: v for k, v in shared.items() if k not in own}
    if cells and "cell" in given:
        given |= {"cell": tuple(dict.fromkeys([*given["cell"], *cells])), **own}
    return Run(name, benchmark, given, entry.seconds, entry.needs)


def check(every: Sequence[Run], folder: str) -> None:
    """Raises what is wrong with the flags or the folder of a run; writes nothing."""
    for run in every:
        if run.needs:
            continue
        try:
            with main.opened(run.benchmark, run.given):
                pass
        except errors.UsageError as error:
            if error.flag != "out_dir":
                raise
            problem = f"run {run.name}: {error.problem}"
            allowed = f"another --out_dir, or {folder}/{run.name} removed"
            raise errors.UsageError("out_dir", folder, problem, allowed) from None


def missing(run: Run) -> bool:
    """Whether a run lacks rows or its summary."""
    with main.opened(run.benchmark, run.given) as (config, folder, known):
        if not (folder.path / "summary.csv").exists():
            return True
        mesh = devices.local_mesh()
        return bool(main.missing_parts(run.benchmark, config, known, mesh))


def carry_out(every: Sequence[Run]) -> list[Run]:
    """Runs what is missing; returns the runs that wait for other processes."""
    todo = _incomplete(every)
    with terminal.progress(sum(run.seconds for run in todo), "suite") as report:
        waiting = _once(todo, report)
        # Others may have ended since, on which what waits depends.
        return _once(waiting, lambda done, text: None)


def _incomplete(every: Sequence[Run]) -> list[Run]:
    """The runs that lack rows; those that need one of them count as such."""
    found: list[Run] = []
    for run in every:
        if run.needs in [other.name for other in found] or missing(run):
            found.append(run)
    return found


def _once(todo: Sequence[Run], report: Callable[[float, str], None]) -> list[Run]:
    done, waiting = 0.0, list[Run]()
    for index, run in enumerate(todo, 1):
        title = f"{index} of {len(todo)}, {run.name}"
        try:
            if run.needs in [other.name for other in waiting]:
                raise errors.Stopped(0, f"{run.needs} is not whole")
            main.run(run.benchmark, run.given, _within(run, title, done, report))
        except errors.Stopped as stopped:
            if stopped.status:
                raise
            waiting.append(run)
        done += run.seconds
        report(done, title)
    return waiting


def _within(
    run: Run, title: str, before: float, report: Callable[[float, str], None]
) -> terminal.Progress:
    """The progress of a run, as a part of that of the suite."""

    @contextlib.contextmanager
    def progress(total: float, _: str) -> Iterator[Callable[[float, str], None]]:
        def inner(done: float, text: str) -> None:
            fraction = min(1.0, done / total) if total else 1.0
            report(before + run.seconds * fraction, f"{title}: {text}")

        report(before, title)
        yield inner

    return progress
