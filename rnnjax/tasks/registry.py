"""All tasks by name.

A new task is one file beside this one and one entry here:

- a frozen dataclass derived from `Task` that defines its abstract members (`units` is a
  short one to start from),
- whose fields are declared with `setting`; they become flags of `benchmarks.capacity`
  and are checked against their limits,
- whose `scores` declare what `score` returns; they become keys of rows and columns of
  tables.

The tests of the contract run for every entry.
"""

from rnnjax.tasks.adding import Adding
from rnnjax.tasks.arithmetic import Arithmetic
from rnnjax.tasks.characters import Characters
from rnnjax.tasks.copy import Copy
from rnnjax.tasks.parameters import Parameters
from rnnjax.tasks.parentheses import Parentheses
from rnnjax.tasks.pixels import Pixels
from rnnjax.tasks.random_function import RandomFunction
from rnnjax.tasks.recall import Recall
from rnnjax.tasks.rows import Rows
from rnnjax.tasks.task import Task
from rnnjax.tasks.temporal_order import TemporalOrder
from rnnjax.tasks.two_circles import TwoCircles
from rnnjax.tasks.units import Units

TASKS: dict[str, type[Task]] = {
    "parameters": Parameters,
    "units": Units,
    "random_function": RandomFunction,
    "characters": Characters,
    "parentheses": Parentheses,
    "arithmetic": Arithmetic,
    "recall": Recall,
    "adding": Adding,
    "temporal_order": TemporalOrder,
    "copy": Copy,
    "rows": Rows,
    "pixels": Pixels,
    "two_circles": TwoCircles,
}
