"""The states of unfinished groups on disk, so that a stopped run goes on from them."""

import dataclasses
import json
import warnings

import jax
import numpy as np
from etils import epath

from rnnjax.results import checkpoints

KEPT = 2  # states of a group


@dataclasses.dataclass(frozen=True)
class States:
    """States in `folder`/<group>/<chunks>, the newest two of each group.

    It is an `engine.lanes.StateStore`.
    """

    folder: epath.Path

    def load(self, group: str) -> tuple[int, list[np.ndarray]] | None:
        """The newest state that is whole: how many chunks were done, and its leaves.

        A damaged state is skipped with a warning.
        """
        for chunks in reversed(self._saved(group)):
            folder = self.folder / group / str(chunks)
            try:
                description = json.loads((folder / "state.json").read_text())
                shapes = {
                    name: jax.ShapeDtypeStruct(shape, dtype)
                    for name, (shape, dtype) in description["leaves"].items()
                }
                leaves = checkpoints.read(folder, shapes, description["sha256"])
                return chunks, [leaves[_name(k)] for k in range(len(leaves))]
            except (OSError, ValueError, KeyError, TypeError):
                warnings.warn(
                    f"{folder} is damaged; going on from an earlier state, or anew",
                    stacklevel=2,
                )
        return None

    def save(self, group: str, chunks: int, leaves: list[np.ndarray]) -> None:
        """Saves the state after so many chunks."""
        tree = {_name(k): leaf for k, leaf in enumerate(leaves)}
        shapes = {name: (leaf.shape, leaf.dtype.name) for name, leaf in tree.items()}
        folder = self.folder / group / str(chunks)
        checkpoints.write(folder, "state", {"leaves": shapes}, tree)
        for old in self._saved(group)[:-KEPT]:
            (self.folder / group / str(old)).rmtree(missing_ok=True)

    def drop(self, group: str) -> None:
        """Deletes the states of a group."""
        (self.folder / group).rmtree(missing_ok=True)

    def _saved(self, group: str) -> list[int]:
        paths = (self.folder / group).glob("*/state.json")
        return sorted(int(path.parent.name) for path in paths)


def _name(leaf: int) -> str:
    return f"{leaf:04}"
