"""Trained networks on disk: network.json, which describes one, and its weights."""

import json
from collections.abc import Mapping
from typing import Any

from etils import epath

from rnnjax.results import checkpoints, files

ALLOWED = "a run folder with trained networks"
OVERHEAD = 25_000  # bytes of a saved network beside its weights


def save(
    folder: epath.PathLike, description: Mapping[str, Any], variables: Any
) -> None:
    """Saves the variables of a network with a description that JSON can hold."""
    checkpoints.write(epath.Path(folder), "network", description, variables)


def size_on_disk(weights: int) -> float:
    """The bytes that a saved network takes, about, of so many bytes of weights."""
    return OVERHEAD + weights


def describe(folder: epath.PathLike) -> dict[str, Any]:
    """The description of a saved network. Raises `files.FolderError`."""
    try:
        text = (epath.Path(folder) / "network.json").read_text()
        description = json.loads(text)
        if description["schema"] != checkpoints.SCHEMA or not description["sha256"]:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise files.FolderError(f"{folder} is no trained network", ALLOWED) from None
    return description


def load(folder: epath.PathLike, shapes: Any) -> Any:
    """The variables of a saved network with these shapes, as NumPy arrays.

    Raises `files.FolderError` if they are not those that were saved.
    """
    expected = describe(folder)["sha256"]
    return checkpoints.read(epath.Path(folder), shapes, expected)
