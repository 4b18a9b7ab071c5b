"""Saving the trained networks of the fresh draws.

`memory_stability` measures them: their descriptions say how to build them again.
"""

from typing import Any

import jax
from etils import epath

from rnnjax.capacity import points, search
from rnnjax.capacity.config import Config
from rnnjax.capacity.schema import OWN
from rnnjax.capacity.study import PointSearch
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.results import networks
from rnnjax.results.schema import Row


def save(config: Config, folder: epath.Path, result: lanes.Result) -> None:
    """Saves the networks of a group's fresh draws in `folder`/networks/<name>.

    Those that diverged are left out, and all networks of a task that searches over the
    number of samples.
    """
    if config.task.searches_samples:
        return
    for lane, row in enumerate(result.rows):
        if row["stage"] == search.DRAWS and row["status"] == "trained":
            path = folder / "networks" / _name(row)
            networks.save(path, describe(config, row), _variables(result, lane))


def part_bytes(config: Config, part: PointSearch) -> float:
    """The bytes that the networks of a search take on disk, about."""
    if config.task.searches_samples:
        return 0.0
    weights = 4 * part.point.labels["parameters"]
    return len(part.plan.result_seeds) * networks.size_on_disk(weights)


def _variables(result: lanes.Result, lane: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[lane], result.state.variables)


def _name(row: Row) -> str:
    """As gru-orthogonal-n32-l1-t5-s0: initializer, units, layers, steps, and seed."""
    init = "" if row["recurrent_init"] == OWN else f"-{row['recurrent_init']}"
    steps = f"-t{row['steps']}" if row["steps"] else ""
    shape = f"n{row['hidden_size']}-l{row['layers']}{steps}"
    return f"{registry.file_name(row['cell'])}{init}-{shape}-s{row['seed']}"


def describe(config: Config, row: Row) -> dict[str, Any]:
    """What it takes to build the network of a row again."""
    task = points.at_steps(config.task, row["steps"])
    keys = ("cell", "recurrent_init", "hidden_size", "layers", "seed")
    own = registry.describe_own([row["cell"]], config.own)
    return {key: row[key] for key in keys} | {
        "own": own.get(row["cell"], {}),
        "task": config.task_name,
        "task_settings": task.description(),
        "learn_carry": config.learn_carry,
        "outputs": task.outputs,
    }
