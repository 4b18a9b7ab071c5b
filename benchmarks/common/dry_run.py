"""--dry_run: what a run would take: lanes, programs, memory, disk and time.

All of it follows from shapes, but for the time: that is scaled from a run of a few
small lanes.
"""

import dataclasses
import shutil
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from etils import epath

from rnnjax.engine import ahead, estimate, lanes, memory
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.runner import Part, RowId, first_group, unfinished
from rnnjax.results import files
from rnnjax.results.schema import Row

from . import interruptible, terminal
from . import memory as memory_lib
from .benchmark import Benchmark

SECONDS, TRIAL_SECONDS = 15.0, 1.0  # of all this, and of running the trial
# Of a process, for JAX itself and for compiling: the peaks in BUILD_NOTES.md.
PROCESS_BYTES = 0.7e9
ROW_COPIES = 2  # in rows/ and in rows.jsonl
STATE_COPIES = 2  # of the lanes at work, see `results.states`


@dataclasses.dataclass(frozen=True)
class _Todo:
    """The parts of a run that lack rows."""

    benchmark: Benchmark
    config: Any
    parts: Sequence[Part]
    known: dict[RowId, Row]
    mesh: Mesh

    @property
    def lanes(self) -> int:
        return sum(part.lanes(self.known) for part in self.parts)


class Estimate(NamedTuple):
    """What the missing lanes of a run would take: bytes of memory, and seconds."""

    lanes: int
    parts: int
    memory: float
    programs: int
    compiling: float
    running: float


def estimate_of(
    benchmark: Benchmark,
    config: Any,
    parts: Sequence[Part],
    known: dict[RowId, Row],
    mesh: Mesh,
) -> Estimate:
    """What a run would take; nothing of it is printed. Some parts lack rows."""
    missing = unfinished(parts, benchmark.row_id, mesh, known)
    todo = _Todo(benchmark, config, missing, known, mesh)
    work = memory_lib.largest(benchmark, missing, mesh, known)
    needed = memory.from_shapes(memory.programs(work.group, mesh))
    time = _measured(todo, work)
    counts = todo.lanes, len(missing), needed, len(programs(missing))
    return Estimate(*counts, time.compiling, time.running)


def show(
    benchmark: Benchmark,
    config: Any,
    parts: Sequence[Part],
    known: dict[RowId, Row],
    mesh: Mesh,
    folder: epath.Path,
    started: float,
) -> None:
    """Prints what the parts that lack rows would take.

    It takes `SECONDS` at most since the time `started` of the monotonic clock.
    """
    missing = unfinished(parts, benchmark.row_id, mesh, known)
    todo = _Todo(benchmark, config, missing, known, mesh)
    for line in benchmark.describe(config):
        print(line)
    devices = terminal.count(len(mesh.devices), f"{mesh.devices[0].platform} device")
    counted = terminal.count(len(missing), benchmark.part)
    print(f"{terminal.count(todo.lanes, 'lane')} in {counted} on {devices}")
    if missing:
        late = f"What is missing of this was not found within {SECONDS:.0f} s."
        seconds = max(0.0, SECONDS - (time.monotonic() - started))
        interruptible.run(lambda: _show(todo, folder), seconds, late)


def _show(todo: _Todo, folder: epath.Path) -> None:
    with todo.benchmark.context(todo.config):  # which is that of a thread
        work = memory_lib.largest(todo.benchmark, todo.parts, todo.mesh, todo.known)
        made = memory.programs(work.group, todo.mesh)
        there, needed = memory.available(todo.mesh.devices), memory.from_shapes(made)
        lanes_at_once = terminal.count(len(work.group.seeds), "lane")
        process = ""
        if todo.mesh.devices[0].platform == "cpu":
            process = f" beside {terminal.size(PROCESS_BYTES)} for JAX and compiling"
        print(
            f"memory: at least {terminal.size(needed)}{process}, for {lanes_at_once} "
            f"at once of {work.part.name}"
            + (f"; there are {terminal.size(there)}" if there else "")
        )
        print(_disk(todo, work.group, made, folder))
        print(*_time(todo, work), sep="\n")
        if there and needed <= there < memory_lib.TEMPORARY * needed:
            needed = memory.compiled(made, todo.mesh)
            print(f"memory with temporary arrays: {terminal.size(needed)}")
        if there and needed > there:
            print(_unfit(work.group, todo.mesh))


def _unfit(group: lanes.Group, mesh: Mesh) -> str:
    if mesh.together and len(group.seeds) > 1:
        return "This does not fit: fewer lanes at a time advance together."
    return "This does not fit: without --force, the run is refused."


def _disk(
    todo: _Todo,
    group: lanes.Group,
    made: Sequence[ahead.Lowerable],
    folder: epath.Path,
) -> str:
    rows = ROW_COPIES * todo.benchmark.row_bytes * todo.lanes
    saved = todo.benchmark.network_bytes
    networks = sum(saved(todo.config, part) for part in todo.parts)
    padded = todo.mesh.lanes_for(len(group.seeds)) / len(group.seeds)
    states = STATE_COPIES * max(memory.size(one.outputs) for one in made) / padded
    line = f"disk: about {terminal.size(rows)} of rows"
    line += f", {terminal.size(networks)} of networks" if networks else ""
    line += f", at most {terminal.size(states)} of states while it runs"
    if files.is_remote(str(folder)):
        return line
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return f"{line}; {terminal.size(shutil.disk_usage(there).free)} are free"


class _Time(NamedTuple):
    """Seconds that are expected, and those of the trial, of so many lanes of a part."""

    compiling: float
    running: float
    trial: float
    lanes: int
    part: str


def _time(todo: _Todo, work: memory_lib.Work) -> Iterator[str]:
    time = _measured(todo, work)
    count = len(programs(todo.parts))
    yield f"{count} programs, about {terminal.duration(time.compiling)} of compiling"
    yield (
        f"about {terminal.duration(time.running)} of running, scaled from "
        f"{terminal.duration(time.trial)} of "
        f"{terminal.count(time.lanes, 'lane')} of {time.part}"
    )


def _measured(todo: _Todo, work: memory_lib.Work) -> _Time:
    """Runs some lanes of the trial, and scales what they took."""
    benchmark, mesh = todo.benchmark, todo.mesh
    count = len(work.group.seeds) if mesh.together else mesh.lanes_for(1)
    small = benchmark.trial(todo.config, count)
    part = max(benchmark.parts(small, 1), key=lambda part: part.cost({}))
    group = first_group(part, benchmark.row_id, mesh, {})
    assert group is not None, "without rows, a part has a group"
    measured = estimate.trial(group, mesh, count, TRIAL_SECONDS)

    every, some = programs(todo.parts), programs([part])
    compiling = sum(every.values()) / sum(some.values()) * measured.compile_seconds
    cost = sum(one.cost(todo.known) - one.compile_cost for one in todo.parts)
    ran = measured.fraction * (group.cost - part.compile_cost)
    seconds = cost / ran * measured.run_seconds
    lanes = min(count, len(group.seeds))
    return _Time(compiling, seconds, measured.run_seconds, lanes, part.name)


def programs(parts: Sequence[Part]) -> Mapping[Hashable, float]:
    """The programs of parts, and what compiling them takes compared with each other.

    A part that names none has one of its own.
    """
    return {
        name: cost
        for part in parts
        for name, cost in (part.programs or {part.name: 1.0}).items()
    }
