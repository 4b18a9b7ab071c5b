"""Trained networks on disk: what they are (`network.json`) and their weights (an Orbax checkpoint).

Orbax commits a checkpoint as a whole but does not notice a flipped byte, so `network.json` keeps a SHA-256 of every leaf.
"""

import functools
import hashlib
import json

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from rnnjax import networks, records
from rnnjax.cells import registry as cells
from rnnjax.initializers import INITIALIZERS
from rnnjax.tasks import registry as tasks

SCHEMA = 1
ALLOWED = "a run folder of benchmarks.capacity"


def save(folder, description: dict, variables) -> None:
    """Writes a network. `description` names `cell`, `hidden_size`, `layers`, `outputs`, `task`, its `task_settings` and `seed`."""
    folder = epath.Path(folder)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save((folder / "weights").absolute(), variables, force=True)
    text = json.dumps({"schema": SCHEMA, **description, "sha256": _digests(variables)}, indent=1)
    records.write(folder / "network.json", text + "\n")


def describe(folder) -> dict:
    """The description of a saved network. Raises `records.RefusedError` if there is none."""
    try:
        description = json.loads((epath.Path(folder) / "network.json").read_text())
        if description["schema"] != SCHEMA or description["cell"] not in cells.CELLS or description["task"] not in tasks.TASKS:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise records.RefusedError(f"{folder} is no trained network", ALLOWED) from None
    return description


def build(description: dict) -> tuple[networks.Network, object]:
    """The network and the task that a description names. Raises `records.RefusedError` if its text is gone or another."""
    given = {"recurrent_init": INITIALIZERS[description["recurrent_init"]]} if description.get("recurrent_init") else {}
    make = functools.partial(cells.CELLS[description["cell"]], **given)
    cell = networks.stack(lambda: make(hidden_size=description["hidden_size"]), description["layers"])
    try:
        task = tasks.TASKS[description["task"]](**description["task_settings"])
    except (OSError, ValueError) as error:
        raise records.RefusedError(f"its task cannot be set up ({error})", "the text it was trained on") from None
    return networks.Network(cell, outputs=description["outputs"]), task


def load(folder):
    """The weights of a saved network, as NumPy arrays. Raises `records.RefusedError` if they are not those that were saved."""
    description = describe(folder)
    network, task = build(description)
    shapes = jax.eval_shape(lambda: networks.initialize(network, jax.random.key(0), task.input_size))
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            variables = checkpointer.restore((epath.Path(folder) / "weights").absolute(), shapes)
    except (OSError, ValueError, KeyError) as error:
        raise records.RefusedError(f"{folder} has weights that cannot be read ({str(error).splitlines()[0]})", ALLOWED) from None
    variables = jax.tree.map(np.asarray, variables)
    if _digests(variables) != description["sha256"]:
        raise records.RefusedError(f"{folder} has weights that are not those that were saved", ALLOWED)
    return variables


def _digests(variables) -> dict[str, str]:
    leaves = jax.tree_util.tree_flatten_with_path(variables)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): hashlib.sha256(np.ascontiguousarray(leaf).tobytes()).hexdigest()
        for path, leaf in leaves
    }
