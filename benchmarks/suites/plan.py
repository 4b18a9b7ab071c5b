"""What a suite would take: a line for each of its runs, and the sum."""

from collections.abc import Sequence

from rnnjax.engine import ahead
from rnnjax.engine.runner import ProcessSlice, unfinished
from rnnjax.results.tables import Table

from ..common import devices, dry_run, errors, main, target, terminal
from .work import Run

COLUMNS = ("run", "lanes", "parts", "programs", "memory", "compiling", "running")
HERE = (
    "Times are scaled from a few small lanes of each run, as if no training ended once "
    "its task is solved; programs that are kept on disk, and those that runs share, "
    "take no compiling."
)


def show(
    every: Sequence[Run], piece: ProcessSlice, elsewhere: ahead.Target | None
) -> None:
    """Prints what the missing parts of runs take, on this machine or elsewhere."""
    mesh = elsewhere.mesh if elsewhere else devices.local_mesh()
    found: dict[str, dry_run.Estimate | str] = {}
    unfit: list[str] = []
    with terminal.progress(len(every), "planning") as report:
        for done, run in enumerate(every):
            report(done, run.name)
            if found.get(run.needs, "done") != "done":
                found[run.name] = f"after {run.needs}"
                continue
            try:
                found[run.name] = _estimate(run, piece, elsewhere)
            except errors.UsageError as error:  # its memory
                found[run.name] = "does not fit"
                unfit.append(f"{run.name}: {error.problem or error}.")
    for run in every:
        print(f"{run.name}: {main.repeating(run.benchmark, run.given)}")
    count = terminal.count(len(mesh.devices), "device")
    where = elsewhere.name if elsewhere else mesh.devices[0].platform
    lines = [[name, *_words(estimate)] for name, estimate in found.items()]
    estimates = [one for one in found.values() if not isinstance(one, str)]
    notes = [_total(estimates), HERE, *unfit]
    if elsewhere:
        notes[1] = (
            "Times are scaled from the first group of the largest part of each run, if "
            f"no lane stops early: {target.assumed(elsewhere)}"
        )
    terminal.table(Table(f"the suite on {count} of {where}", COLUMNS, lines, notes))


def _estimate(
    run: Run, piece: ProcessSlice, elsewhere: ahead.Target | None
) -> dry_run.Estimate | str:
    benchmark = run.benchmark
    with main.opened(benchmark, run.given) as (config, _, known):
        parts = piece.of(benchmark.parts(config, piece.count))
        mesh = elsewhere.mesh if elsewhere else devices.local_mesh()
        if not unfinished(parts, benchmark.row_id, mesh, known):
            return "done"
        if elsewhere:
            return target.estimate_of(benchmark, config, parts, known, elsewhere)
        return dry_run.estimate_of(benchmark, config, parts, known, mesh)


def _words(estimate: dry_run.Estimate | str) -> list[str]:
    if isinstance(estimate, str):
        return [estimate, *[""] * (len(COLUMNS) - 2)]
    return [
        f"{estimate.lanes:,}",
        f"{estimate.parts:,}",
        f"{estimate.programs:,}",
        terminal.size(estimate.memory),
        terminal.duration(estimate.compiling),
        terminal.duration(estimate.running),
    ]


def _total(estimates: Sequence[dry_run.Estimate]) -> str:
    lanes = sum(one.lanes for one in estimates)
    memory = max((one.memory for one in estimates), default=0)
    compiling = sum(one.compiling for one in estimates)
    running = sum(one.running for one in estimates)
    return (
        f"In all {lanes:,} lanes, at most {terminal.size(memory)}, "
        f"about {terminal.duration(compiling)} of compiling and "
        f"{terminal.duration(running)} of running."
    )
