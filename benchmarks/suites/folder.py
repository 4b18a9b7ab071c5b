"""The folder of a suite: `suite.json` says which one it is, runs have folders in it."""

import json
from typing import Any

from etils import epath

from rnnjax.results import files

from ..common import errors, main

NAME = "suite.json"


def open_folder(out_dir: str, preset: str) -> epath.Path:
    """The folder, if it is empty or has this preset; writes nothing.

    Raises `errors.UsageError`.
    """
    if out_dir == "":
        raise errors.UsageError("out_dir", "", "no folder", "a folder")
    try:
        folder = main.open_path(out_dir)
        found = _preset(folder)
    except files.FolderError as error:
        raise errors.UsageError(
            "out_dir", out_dir, error.problem, error.allowed
        ) from None
    if found not in (None, preset):
        problem = f"it holds a suite with preset={found}, not {preset}"
        allowed = "the same preset, or another --out_dir"
        raise errors.UsageError("out_dir", out_dir, problem, allowed)
    return folder


def _preset(folder: epath.Path) -> Any:
    """The preset of a folder, None of an empty one."""
    try:
        return json.loads((folder / NAME).read_text())["preset"]
    except FileNotFoundError:
        visible = folder.exists() and any(
            not path.name.startswith(".") for path in folder.iterdir()
        )
        if visible:
            raise files.FolderError("it is no folder of a suite") from None
        return None
    except NotADirectoryError:
        raise files.FolderError("it is no folder") from None
    except (ValueError, KeyError, TypeError):
        raise files.FolderError(f"{NAME} is damaged") from None
    except OSError as error:
        problem = f"it cannot be read ({error.strerror or error})"
        raise files.FolderError(problem) from None


def create(folder: epath.Path, preset: str) -> None:
    """Records the preset. Raises OSError if the folder cannot be written."""
    if not (folder / NAME).exists():
        files.write(folder / NAME, json.dumps({"preset": preset}) + "\n")
