"""A chunk of an experiment as something that can be timed."""

import dataclasses
from collections.abc import Callable, Mapping

from rnnjax.engine import lanes


@dataclasses.dataclass(frozen=True)
class Timed:
    """One chunk of a group, advanced again and again from where the last one ended.

    `name` is the benchmark's name and what is timed of it, as memory_stability/gru;
    `sizes` are the sizes that go into the name of the entry. A lane-step is one time
    step of one lane with its whole batch; a chunk makes `lane_steps` of them.
    `iterations` is the trip count of loops whose count depends on the data.
    """

    name: str
    sizes: Mapping[str, int]
    lane_steps: int
    group: Callable[[], lanes.Group]
    chunk: int = 0
    iterations: int | None = None
