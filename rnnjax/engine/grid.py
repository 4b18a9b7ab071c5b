"""The part of a run that is one point of a grid: one shape with its seeds."""

import dataclasses
import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from rnnjax.engine.lanes import Experiment, Group
from rnnjax.engine.runner import RowId, Runner
from rnnjax.results.schema import Row


@dataclasses.dataclass(frozen=True)
class GridPart:
    """The seeds of one shape, which run as one group. It is a `runner.Part`.

    Attributes:
      name: what it is called in messages.
      shape: the identity of its rows but for the seed, which comes last.
      seeds: its seeds; each is a lane.
      make: makes the experiment, once its lanes are run.
      group_cost: how long a group of so many lanes takes, in a unit of the benchmark.
      programs: what is compiled; parts that share a program have an equal entry. By
        default a part shares none.
      file_name: begins the names of its files; by default made of the shape.
    """

    name: str
    shape: tuple[Any, ...]
    seeds: tuple[int, ...]
    make: Callable[[], Experiment] = dataclasses.field(compare=False)
    group_cost: Callable[[int], float] = dataclasses.field(default=float, compare=False)
    programs: frozenset[Hashable] = frozenset()
    file_name: str = ""

    @property
    def ids(self) -> list[RowId]:
        """The identity of each lane's row."""
        return [(*self.shape, seed) for seed in self.seeds]

    def lanes(self, known: Mapping[RowId, Row]) -> int:
        return sum(row_id not in known for row_id in self.ids)

    def cost(self, known: Mapping[RowId, Row]) -> float:
        missing = self.lanes(known)
        return self.group_cost(missing) if missing else 0.0

    def run(self, runner: Runner) -> None:
        runner.rows(self.ids, lambda missing: [self.group(missing)])

    def group(self, missing: list[int]) -> Group:
        """The group of the seeds with these indices."""
        seeds = tuple(self.seeds[k] for k in missing)
        shape = self.file_name or "-".join(map(str, self.shape)).replace(":", ".")
        name = f"{shape}-s{seeds[0]}-{seeds[-1]}"
        return Group(name, self.experiment, seeds, self.group_cost(len(seeds)))

    @functools.cached_property
    def experiment(self) -> Experiment:
        return self.make()
