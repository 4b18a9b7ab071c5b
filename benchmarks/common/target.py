"""--target: what a run's programs would do on a device that need not be there."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from rnnjax.engine import ahead, hlo
from rnnjax.engine.runner import Part, RowId, first_group, unfinished
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table

from . import dry_run, errors, terminal
from . import memory as memory_lib
from .benchmark import Benchmark

PROGRAMS = (
    "program",
    "compile s",
    "MB a device",
    "calls",
    "ms a call",
    "unknown counts",
)
LOOPS = (
    "loop",
    "iterations",
    "kernels",
    "KB written",
    "cycles",
    "us",
    "largest write",
)
MAX_NAME = 40


class Made(NamedTuple):
    """A compiled program of a part."""

    part: str
    calls: int
    compiled: ahead.Compiled


def prepare() -> None:
    """Chooses the CPU: nothing is run, and a plugin without its device may fail."""
    if not jax.config.jax_platforms:
        jax.config.update("jax_platforms", "cpu")


def find(name: str) -> ahead.Target:
    """The target of the flag. Raises `errors.UsageError`."""
    prepare()
    try:
        return ahead.target(name)
    except ahead.NoTarget as error:
        raise errors.UsageError("target", name, error.problem, error.allowed) from None


def show(
    benchmark: Benchmark,
    config: Any,
    parts: Sequence[Part],
    known: dict[RowId, Row],
    target: ahead.Target,
) -> None:
    """Compiles the programs of each part's first group, and prints what they do.

    Raises `errors.UsageError` if one needs more memory than a device has.
    """
    for line in benchmark.describe(config):
        print(line)
    todo = unfinished(parts, benchmark.row_id, target.mesh, known)
    devices = terminal.count(len(target.mesh.devices), "device")
    print(f"{terminal.count(len(todo), benchmark.part)} on {devices} of {target.name}")
    made, seconds = list[Made](), 0.0
    with terminal.progress(len(todo), "compiling") as report:
        for done, part in enumerate(todo):
            report(done, part.name)
            own, part_seconds = _compiled(benchmark, part, known, target)
            made += own
            seconds += part_seconds
    if made:
        terminal.table(_programs(made, target))
        terminal.table(_loops(made, target, seconds))


def estimate_of(
    benchmark: Benchmark,
    config: Any,
    parts: Sequence[Part],
    known: dict[RowId, Row],
    target: ahead.Target,
) -> dry_run.Estimate:
    """What a run would take there, scaled from the first group of its largest part.

    Nothing is printed. Some parts lack rows. Raises `errors.UsageError` if that group
    needs more memory than a device has.
    """
    todo = unfinished(parts, benchmark.row_id, target.mesh, known)
    part, _ = memory_lib.largest(benchmark, todo, target.mesh, known)
    made, seconds = _compiled(benchmark, part, known, target)
    every, some = dry_run.programs(todo), dry_run.programs([part])
    compiling = sum(one.compiled.compile_seconds for one in made)
    return dry_run.Estimate(
        lanes=sum(one.lanes(known) for one in todo),
        parts=len(todo),
        memory=max(one.compiled.memory for one in made),
        programs=len(every),
        compiling=compiling * sum(every.values()) / sum(some.values()),
        running=seconds * sum(one.cost(known) for one in todo) / part.cost(known),
    )


def _compiled(
    benchmark: Benchmark, part: Part, known: dict[RowId, Row], target: ahead.Target
) -> tuple[list[Made], float]:
    """The programs of the first group of a part, and an estimate of the part's time."""
    group = first_group(part, benchmark.row_id, target.mesh, known)
    assert group is not None, "an unfinished part has a group"
    made, seconds = [], 0.0
    for lowerable in ahead.programs(group, target.mesh):
        compiled = _fitting(lowerable, part, len(group.seeds), target)
        made.append(Made(part.name, lowerable.calls, compiled))
        one = ahead.seconds(compiled.program.whole, target.chip)
        seconds += lowerable.calls * one
    return made, seconds * part.cost(known) / group.cost


def _fitting(
    lowerable: ahead.Lowerable, part: Part, lanes: int, target: ahead.Target
) -> ahead.Compiled:
    """The compiled program. Raises `errors.UsageError` if memory does not suffice."""
    needed = "more than"
    try:
        compiled = ahead.compiled(lowerable, target.platform)
        if compiled.memory <= target.chip.memory:
            return compiled
        needed = f"{compiled.memory / 1e9:.3g} GB, more than"
    except ahead.OutOfMemory:
        pass
    problem = (
        f"{lanes} lanes of {part.name} need {needed} the "
        f"{target.chip.memory / 1e9:.3g} GB of a device"
    )
    allowed = "fewer lanes, or more devices"
    raise errors.UsageError("target", target.name, problem, allowed)


def _programs(made: Sequence[Made], target: ahead.Target) -> Table:
    lines = []
    for part, calls, (name, seconds, memory, program) in made:
        one = ahead.seconds(program.whole, target.chip)
        unknown = sum(loop.trips is None for loop in program.loops)
        lines.append(
            [
                f"{part}: {name}",
                f"{seconds:.1f}",
                f"{memory / 1e6:,.1f}",
                f"{calls:,}",
                f"{1e3 * one:.3g}",
                str(unknown),
            ]
        )
    largest = max(one.compiled.memory for one in made)
    compiling = sum(one.compiled.compile_seconds for one in made)
    notes = [
        f"{compiling:.0f} s of compiling; the largest program takes "
        f"{largest / 1e9:.2f} of {target.chip.memory / 1e9:.0f} GB of a device.",
    ]
    return Table(f"programs for {target.name}", PROGRAMS, lines, notes)


def _loops(made: Sequence[Made], target: ahead.Target, seconds: float) -> Table:
    """The loops of the programs, an indent for each loop around one."""
    lines = [
        _line(f"{one.part}: {one.compiled.name}", loop, target.chip)
        for one in made
        for loop in one.compiled.program.loops
    ]
    notes = [
        "An iteration, without the loops within it. Largest write: above "
        f"{hlo.LARGE // 1024} KB, in a loop over time often a copy.",
        f"About {seconds:,.0f} s of running if no lane stops early and all branches "
        f"are taken: {assumed(target)}",
    ]
    return Table(f"loops of these on {target.name}", LOOPS, lines, notes)


def _line(name: str, loop: hlo.Loop, chip: ahead.Chip) -> list[str]:
    work, (largest, size) = (
        loop.work,
        max(loop.large, key=lambda write: write[1], default=("", 0)),
    )
    return [
        f"{'  ' * loop.depth}{name}, {loop.source}",
        "unknown" if loop.trips is None else f"{loop.trips:,}",
        f"{work.kernels}" + f" + {work.beside}" * bool(work.beside),
        f"{work.written / 1e3:,.1f}",
        f"{work.cycles:,}" if chip.clock else "-",
        f"{1e6 * ahead.seconds(work, chip):.3g}",
        f"{largest[:MAX_NAME]} {size / 1e3:,.0f} KB" if size else "",
    ]


def assumed(target: ahead.Target) -> str:
    """What an estimate of time assumes."""
    chip = target.chip
    if chip.clock is not None:
        return f"the compiler's cycles at {chip.clock / 1e9:g} GHz."
    assert chip.launch is not None
    return (
        f"{1e6 * chip.launch:g} us a kernel, or the time to move its bytes at "
        f"{chip.bandwidth / 1e12:g} TB/s if that is longer; caches are left out."
    )
