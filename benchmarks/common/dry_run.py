"""--dry_run: what a run would compute, and an estimate of its time and memory."""

from collections.abc import Sequence
from typing import Any

from rnnjax.engine.estimate import estimate
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.runner import Part, RowId, first_group, unfinished
from rnnjax.results.schema import Row

from . import terminal
from .benchmark import Benchmark


def show(
    benchmark: Benchmark,
    config: Any,
    parts: Sequence[Part],
    known: dict[RowId, Row],
    mesh: Mesh,
) -> None:
    """Prints counts, then runs one chunk of the costliest part and scales its time."""
    todo = unfinished(parts, benchmark.row_id, mesh, known)
    lanes = sum(part.lanes(known) for part in todo)
    platform = mesh.devices[0].platform
    for line in benchmark.describe(config):
        print(line)
    devices = terminal.count(len(mesh.devices), f"{platform} device")
    counted = terminal.count(len(todo), benchmark.part)
    print(f"{terminal.count(lanes, 'lane')} in {counted} on {devices}")
    if not todo:
        return
    largest = max(todo, key=lambda part: part.cost(known))
    group = first_group(largest, benchmark.row_id, mesh, known)
    assert group is not None
    measured = estimate(group, mesh)
    group_seconds = (
        measured.lane_chunk_seconds * len(group.seeds) * group.experiment.chunks
    )
    seconds = sum(part.cost(known) for part in todo) / group.cost * group_seconds
    programs = len(frozenset[object]().union(*(_programs(part) for part in todo)))
    # A group may need only some of its part's programs, and small ones of JAX beside.
    compiled = max(1, min(measured.programs, len(_programs(largest))))
    compiling = programs * measured.compile_seconds / compiled
    print(f"{programs} programs, about {compiling:.0f} s of compiling")
    print(f"about {seconds:.0f} s of running, scaled from a chunk of {largest.name}")
    print(
        f"state of the lanes that advance together: {measured.state_bytes / 1e6:.1f} MB"
    )


def _programs(part: Part) -> frozenset[object]:
    """The programs of a part; one of its own if it names none."""
    return part.programs or frozenset([part.name])
