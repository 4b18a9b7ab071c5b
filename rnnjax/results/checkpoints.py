"""Trees of arrays on disk: an Orbax checkpoint beside a JSON description.

Orbax commits a checkpoint as a whole but does not detect a flipped byte, so the
description has the SHA-256 of every leaf. Orbax supports few kinds of object stores, so
a checkpoint for one is written to this machine first and copied file by file. The JSON
file comes last: without it there is no checkpoint.
"""

import contextlib
import functools
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from rnnjax.results import files

SCHEMA = 2


def write(
    folder: epath.Path, name: str, description: Mapping[str, Any], tree: Any
) -> None:
    """Writes a tree to `folder`/weights and its description to `folder`/`name`.json.

    Raises OSError if it cannot be written.
    """
    weights = folder / "weights"
    try:
        with ocp.StandardCheckpointer() as checkpointer, _local(weights) as local:
            checkpointer.save(local.absolute(), tree, force=True)
            checkpointer.wait_until_finished()
            if local != weights:
                _copy(local, weights)
    except ValueError as error:  # Orbax raises it if the disk is full
        cause = str(error).splitlines()[0]
        raise OSError(f"{folder} cannot be written ({cause})") from None
    whole = {"schema": SCHEMA, **description, "sha256": digests(tree)}
    files.write(folder / f"{name}.json", json.dumps(whole, indent=1) + "\n")


def read(folder: epath.Path, shapes: Any, expected: Mapping[str, str]) -> Any:
    """The tree of a checkpoint as NumPy arrays.

    `shapes` is the tree of shapes and types, `expected` the SHA-256 of each leaf.

    Raises `files.FolderError` if the arrays cannot be read or are not those that were
    saved.
    """
    weights = folder / "weights"
    allowed = "a folder as it was written"
    _ignore_late_arrays()
    try:
        with ocp.StandardCheckpointer() as checkpointer, _local(weights) as local:
            if local != weights:
                _copy(weights, local)
            tree = checkpointer.restore(local.absolute(), shapes)
    except (OSError, ValueError, KeyError) as error:
        cause = str(error).splitlines()[0]
        problem = f"{folder} has weights that cannot be read ({cause})"
        raise files.FolderError(problem, allowed) from None
    tree = jax.tree.map(np.asarray, tree)
    if digests(tree) != expected:
        problem = f"{folder} has weights that are not those that were saved"
        raise files.FolderError(problem, allowed)
    return tree


@functools.cache
def _ignore_late_arrays() -> None:
    """Leaves out what Python would print of arrays that arrive too late.

    Orbax gives up at the first array that it cannot read. Those still being read then
    meet an event loop that is closed, in threads whose errors nobody can catch.
    """
    usual = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            usual(unraisable)

    sys.unraisablehook = hook


def digests(tree: Any) -> dict[str, str]:
    """The SHA-256 of each leaf, by its path such as params/cell/kernel."""

    def digest(leaf: Any) -> str:
        return hashlib.sha256(np.ascontiguousarray(leaf).tobytes()).hexdigest()

    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): digest(leaf)
        for path, leaf in leaves
    }


@contextlib.contextmanager
def _local(path: epath.Path) -> Iterator[epath.Path]:
    """The path itself if it is local, else one in a temporary folder."""
    if not files.is_remote(path):
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
