"""The part of a run that is one point of a grid: one shape with its lanes."""

import abc
import dataclasses
import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar

from rnnjax.engine.lanes import Experiment, Group
from rnnjax.engine.runner import RowId, Runner
from rnnjax.results.schema import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanesPart(abc.ABC):
    """Lanes that run as one group. It is a `runner.Part`.

    Attributes:
      name: what it is called in messages.
      group_cost: how long a group of so many lanes takes, in a unit of the benchmark.
      programs: what is compiled, and how long that takes compared with the others;
        parts that share a program have an equal entry. By default a part has one.
      numbers: about how many numbers a lane takes; 0 if unknown.
    """

    name: str
    group_cost: Callable[[int], float] = dataclasses.field(default=float, compare=False)
    programs: Mapping[Hashable, float] = dataclasses.field(default_factory=dict)
    numbers: int = 0
    compile_cost: ClassVar[float] = 0.0

    @property
    @abc.abstractmethod
    def ids(self) -> list[RowId]:
        """The identity of each lane's row."""

    @abc.abstractmethod
    def group(self, missing: Sequence[int]) -> Group:
        """The group of the lanes with these indices."""

    def lanes(self, known: Mapping[RowId, Row]) -> int:
        return sum(row_id not in known for row_id in self.ids)

    def cost(self, known: Mapping[RowId, Row]) -> float:
        missing = self.lanes(known)
        return self.group_cost(missing) if missing else 0.0

    def run(self, runner: Runner) -> None:
        runner.rows(self.ids, lambda missing: [self.group(missing)])


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridPart(LanesPart):
    """The seeds of one shape.

    Attributes:
      shape: the identity of its rows but for the seed, which comes last.
      seeds: its seeds; each is a lane.
      make: makes the experiment, once its lanes are run.
      file_name: begins the names of its files; by default made of the shape.
    """

    shape: tuple[Any, ...]
    seeds: tuple[int, ...]
    make: Callable[[], Experiment] = dataclasses.field(compare=False)
    file_name: str = ""

    @property
    def ids(self) -> list[RowId]:
        return [(*self.shape, seed) for seed in self.seeds]

    def group(self, missing: Sequence[int]) -> Group:
        seeds = tuple(self.seeds[k] for k in missing)
        shape = self.file_name or "-".join(map(str, self.shape)).replace(":", ".")
        name = f"{shape}-s{seeds[0]}-{seeds[-1]}"
        cost = self.group_cost(len(seeds))
        return Group(name, self.experiment, seeds, cost, numbers=self.numbers)

    @functools.cached_property
    def experiment(self) -> Experiment:
        return self.make()
