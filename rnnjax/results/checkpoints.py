"""Trained networks and unfinished trainings on disk: what they are (JSON) and their numbers (an Orbax checkpoint).

Orbax commits a checkpoint as a whole but does not notice a flipped byte, so the JSON beside it keeps a SHA-256 of every leaf. It
knows few kinds of object stores, so what goes there is written to this machine first and copied file by file; the JSON, which makes
it a checkpoint, comes last.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from rnnjax import networks
from rnnjax.cells import registry as cells
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.results import records
from rnnjax.tasks import registry as tasks

SCHEMA = 1
ALLOWED = "a run folder of benchmarks.capacity"


def save(folder, description: dict, variables) -> None:
    """Writes a network. `description` names `cell`, `hidden_size`, `layers`, `outputs`, `task`, its `task_settings` and `seed`."""
    _write(epath.Path(folder), "network", {"schema": SCHEMA, **description}, variables)


def restore(folder, shapes):
    """The weights of a saved network whose `shapes` are known, as NumPy arrays. Raises `records.RefusedError`."""
    try:
        digests = json.loads((epath.Path(folder) / "network.json").read_text())[
            "sha256"
        ]
    except (OSError, ValueError, KeyError, TypeError):
        raise records.RefusedError(f"{folder} is no trained network", ALLOWED) from None
    return _read(epath.Path(folder), shapes, digests)


def _write(folder: epath.Path, name: str, description: dict, tree) -> None:
    weights = folder / "weights"
    try:
        with ocp.StandardCheckpointer() as checkpointer, _near(weights) as near:
            checkpointer.save(near.absolute(), tree, force=True)
            checkpointer.wait_until_finished()
            if near != weights:
                _copy(near, weights)
    except ValueError as error:  # what a full disk is to Orbax's storage
        raise OSError(
            f"{folder} cannot be written ({str(error).splitlines()[0]})"
        ) from None
    records.write(
        folder / f"{name}.json",
        json.dumps({**description, "sha256": _digests(tree)}, indent=1) + "\n",
    )


def _read(folder: epath.Path, shapes, digests: dict[str, str]):
    """The numbers of a checkpoint as NumPy arrays. Raises `records.RefusedError` if they are not those that were saved."""
    weights = folder / "weights"
    try:
        with ocp.StandardCheckpointer() as checkpointer, _near(weights) as near:
            if near != weights:
                _copy(weights, near)
            tree = checkpointer.restore(near.absolute(), shapes)
    except (OSError, ValueError, KeyError) as error:
        raise records.RefusedError(
            f"{folder} has weights that cannot be read ({str(error).splitlines()[0]})",
            ALLOWED,
        ) from None
    tree = jax.tree.map(np.asarray, tree)
    if _digests(tree) != digests:
        raise records.RefusedError(
            f"{folder} has weights that are not those that were saved", ALLOWED
        )
    return tree


@contextlib.contextmanager
def _near(path: epath.Path) -> Iterator[epath.Path]:
    """A local path: the same one, or one in a folder of its own that is gone afterwards."""
    if "://" not in os.fspath(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        yield epath.Path(folder) / path.name


def _copy(source: epath.Path, target: epath.Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_dir():
            _copy(path, target / path.name)
        else:
            (target / path.name).write_bytes(path.read_bytes())


@dataclasses.dataclass(frozen=True)
class States:
    """The states of unfinished groups, see `lanes.StateStore`: in `folder`/<group>/<chunks>, of which the newest two are kept."""

    folder: epath.Path

    def load(self, group: str) -> tuple[int, list[np.ndarray]] | None:
        """The newest state that is whole; one that is damaged is passed over, with a warning, for the one before it."""
        for chunks in reversed(self._kept(group)):
            folder = self.folder / group / str(chunks)
            try:
                description = json.loads((folder / "state.json").read_text())
                shapes = {
                    name: jax.ShapeDtypeStruct(shape, dtype)
                    for name, (shape, dtype) in description["leaves"].items()
                }
                leaves = _read(folder, shapes, description["sha256"])
                return chunks, [leaves[f"{k:04}"] for k in range(len(leaves))]
            except (OSError, ValueError, KeyError, TypeError):
                warnings.warn(
                    f"{folder} is damaged; going on from what was kept before it, or from the start",
                    stacklevel=2,
                )
        return None

    def save(self, group: str, chunks: int, leaves: list[np.ndarray]) -> None:
        tree = {f"{k:04}": leaf for k, leaf in enumerate(leaves)}
        shapes = {name: (leaf.shape, leaf.dtype.name) for name, leaf in tree.items()}
        _write(
            self.folder / group / str(chunks),
            "state",
            {"schema": SCHEMA, "leaves": shapes},
            tree,
        )
        for old in self._kept(group)[:-2]:
            (self.folder / group / str(old)).rmtree(missing_ok=True)

    def drop(self, group: str) -> None:
        """Forgets a group."""
        (self.folder / group).rmtree(missing_ok=True)

    def _kept(self, group: str) -> list[int]:
        return sorted(
            int(path.parent.name) for path in (self.folder / group).glob("*/state.json")
        )


def describe(folder) -> dict:
    """The description of a saved network. Raises `records.RefusedError` if there is none."""
    try:
        description = json.loads((epath.Path(folder) / "network.json").read_text())
        if (
            description["schema"] != SCHEMA
            or description["cell"] not in cells.CELLS
            or description["task"] not in tasks.TASKS
        ):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise records.RefusedError(f"{folder} is no trained network", ALLOWED) from None
    return description


def build(description: dict) -> tuple[networks.Network, object]:
    """The network and the task that a description names. Raises `records.RefusedError` if its text is gone or another."""
    given = (
        {"recurrent_init": INITIALIZERS[description["recurrent_init"]]}
        if description.get("recurrent_init", "own") != "own"
        else {}
    )
    make = functools.partial(cells.CELLS[description["cell"]], **given)
    cell = networks.stack(
        lambda: make(hidden_size=description["hidden_size"]), description["layers"]
    )
    try:
        task = tasks.TASKS[description["task"]](**description["task_settings"])
    except (OSError, ValueError) as error:
        raise records.RefusedError(
            f"its task cannot be set up ({error})", "the text it was trained on"
        ) from None
    return networks.Network(cell, outputs=description["outputs"]), task


def load(folder):
    """The weights of a saved network, as NumPy arrays. Raises `records.RefusedError` if they are not those that were saved."""
    description = describe(folder)
    network, task = build(description)
    return _read(
        epath.Path(folder),
        networks.shapes(network, task.input_size),
        description["sha256"],
    )


def _digests(variables) -> dict[str, str]:
    leaves = jax.tree_util.tree_flatten_with_path(variables)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): hashlib.sha256(
            np.ascontiguousarray(leaf).tobytes()
        ).hexdigest()
        for path, leaf in leaves
    }
