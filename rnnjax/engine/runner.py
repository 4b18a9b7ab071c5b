"""A runner gives the rows of lanes: those it has, and the others by running them.

An experiment never writes rows itself. It passes the identities of the lanes it needs
and a function that makes groups of those that have no row yet:

    rows = runner.rows(ids, lambda missing: [group_of(missing)])

A search uses the rows of one round to choose the next, so the same code serves a run, a
resumed run (most rows are there), counting what is missing, and verification.
"""

import contextlib
import dataclasses
import math
from collections.abc import (
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Protocol

import numpy as np

from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.results.schema import Row

RowId = tuple[object, ...]
MakeGroups = Callable[[Sequence[int]], Iterable[lanes.Group]]


class Runner:
    """Gives rows by running lanes on a mesh; keeps all rows in memory.

    `row_id` are the keys whose values identify a row. `known` are rows that exist
    already, by identity.
    """

    def __init__(
        self, row_id: Sequence[str], mesh: Mesh, known: dict[RowId, Row] | None = None
    ):
        self.row_id = tuple(row_id)
        self.mesh = mesh
        self.known = {} if known is None else known

    def rows(self, ids: Sequence[RowId], groups: MakeGroups) -> list[Row]:
        """The rows of the lanes `ids`, in this order.

        `groups(missing)` makes the groups of the lanes with these indices into `ids`.
        """
        missing: Sequence[int] = range(len(ids))
        if self.known:
            missing = [k for k in missing if ids[k] not in self.known]
        if missing:
            self.compute(missing, groups)
        return [self.known[row_id] for row_id in ids]

    def compute(self, missing: Sequence[int], groups: MakeGroups) -> None:
        """Runs the groups of the missing lanes and adds their rows."""
        for result in lanes.run(groups(missing), self.mesh):
            self.add(result.rows)

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.known[tuple(row[key] for key in self.row_id)] = row


class Missing(Exception):
    """Raised by `Checker`: `count` lanes have no row."""

    def __init__(self, count: int):
        super().__init__(f"{count} lanes have no row")
        self.count = count


class Checker(Runner):
    """Runs nothing: raises `Missing` for the first lanes without a row."""

    def compute(self, missing: Sequence[int], groups: MakeGroups) -> None:
        raise Missing(len(missing))


class FirstGroup(Runner):
    """Runs nothing: keeps the first group of missing lanes and raises `Missing`."""

    group: lanes.Group | None = None

    def compute(self, missing: Sequence[int], groups: MakeGroups) -> None:
        self.group = next(iter(groups(missing)))
        raise Missing(len(missing))


class Part(Protocol):
    """An independent piece of a run: one shape of a grid, or one search.

    Parts are what processes share out among them, and what progress is counted in.
    """

    @property
    def name(self) -> str:
        """What the part is called in messages, such as "gru, 32 units"."""

    @property
    def programs(self) -> Mapping[Hashable, float]:
        """What is compiled for it, and how long that takes compared with the others.

        Parts that share a program have an equal entry.
        """

    def lanes(self, known: Mapping[RowId, Row]) -> int:
        """How many lanes have no row yet; an estimate if a search decides it."""

    def cost(self, known: Mapping[RowId, Row]) -> float:
        """How long these lanes take, in the unit of `Group.cost`."""

    @property
    def compile_cost(self) -> float:
        """What of the cost of a group is compiling."""

    def run(self, runner: Runner) -> None:
        """Gets every row of the part from the runner."""


@dataclasses.dataclass(frozen=True)
class ProcessSlice:
    """Slice `index`, from 0, of `count` that divide a run among processes."""

    index: int = 0
    count: int = 1

    @property
    def name(self) -> str:
        """Its name in file names; empty for the whole run."""
        return f"{self.index + 1}-of-{self.count}" if self.count > 1 else ""

    def of[T](self, parts: Sequence[T]) -> list[T]:
        """Every `count`-th part."""
        return list(parts)[self.index :: self.count]


WHOLE = ProcessSlice()


def unfinished(
    parts: Sequence[Part], row_id: Sequence[str], mesh: Mesh, known: dict[RowId, Row]
) -> list[Part]:
    """The parts that lack a row."""
    checker, out = Checker(row_id, mesh, known), []
    for part in parts:
        try:
            part.run(checker)
        except Missing:
            out.append(part)
    return out


def first_group(
    part: Part, row_id: Sequence[str], mesh: Mesh, known: dict[RowId, Row]
) -> lanes.Group | None:
    """The first group that the part would run, or None if it lacks no row."""
    runner = FirstGroup(row_id, mesh, known)
    with contextlib.suppress(Missing):
        part.run(runner)
    return runner.group


def split_seeds(
    seeds: Sequence[int], shapes: int, processes: int
) -> Iterator[tuple[int, ...]]:
    """Cuts the seeds of each shape into as few pieces as keep all processes busy.

    Seeds of a shape stay together, since each process would compile the programs of
    that shape again, unless there are more processes than shapes.
    """
    pieces = min(len(seeds), math.ceil(processes / shapes))
    for piece in np.array_split(np.asarray(seeds), pieces):
        yield tuple(piece.tolist())
