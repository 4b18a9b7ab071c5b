"""Whether a run fits into memory: from parameter counts, from shapes, compiled.

Each of these takes longer and says more, and is looked at only if the one before leaves
it open.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rnnjax.engine import lanes, memory
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.runner import Part, RowId, first_group
from rnnjax.results.schema import Row

from . import errors, terminal
from .benchmark import Benchmark

# By how much a guess may be too small, and what shapes alone leave out.
GUESS, TEMPORARY = 30, 10


class Work(NamedTuple):
    """A part and its first group: what is looked at of a run."""

    part: Part
    group: lanes.Group


def largest(
    benchmark: Benchmark, todo: Sequence[Part], mesh: Mesh, known: dict[RowId, Row]
) -> Work:
    """The part that takes most memory by its `numbers`; of equal ones the costliest."""

    def works() -> Iterator[Work]:
        for part in todo:
            group = first_group(part, benchmark.row_id, mesh, known)
            assert group is not None, "an unfinished part has a group"
            yield Work(part, group)

    def size(work: Work) -> tuple[float, float]:
        return memory.guess(work.group, mesh), work.part.cost(known)

    return max(works(), key=size)


def check(
    benchmark: Benchmark, todo: Sequence[Part], mesh: Mesh, known: dict[RowId, Row]
) -> None:
    """Raises `errors.MemoryTooSmall` if the parts cannot run here."""
    there = memory.available(mesh.devices)
    if there is None or not todo:
        return
    work = largest(benchmark, todo, mesh, known)
    if GUESS * memory.guess(work.group, mesh) < there:
        return
    part = least(work.group, mesh)
    made = memory.programs(work.group, mesh, part)
    needed = memory.from_shapes(made)
    if there < TEMPORARY * needed and needed <= there:
        needed = memory.compiled(made, mesh)
    if needed > there:
        raise errors.MemoryTooSmall(
            f"{work.part.name}: at least {terminal.size(needed)} of memory are needed "
            f"for {terminal.count(len(part), 'lane')} at once, and there are "
            f"{terminal.size(there)}"
        )


def least(group: lanes.Group, mesh: Mesh) -> range:
    """The lanes that must fit at once.

    Where lanes advance together, a group that does not fit is halved; see `lanes.run`.
    A CPU ends the process instead.
    """
    return range(1 if mesh.together else len(group.seeds))
