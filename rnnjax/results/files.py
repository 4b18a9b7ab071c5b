"""Files written whole, and the error for a folder that cannot be used."""

import hashlib
import os
import platform

from etils import epath

RUN_FOLDER = "a new or empty folder, or a run folder of this benchmark"


class FolderError(ValueError):
    """A folder cannot be used: what the problem is, and what is allowed instead."""

    def __init__(self, problem: str, allowed: str = RUN_FOLDER):
        super().__init__(problem)
        self.problem, self.allowed = problem, allowed


def write(path: epath.Path, content: str | bytes) -> None:
    """Writes a whole file: a reader sees all of it or nothing."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_remote(path):
        path.write_bytes(data)
        return
    part = path.with_name(f".{path.name}.{platform.node()}-{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        problem = error.strerror or str(error)  # etils gives some errors a text alone
        raise OSError(error.errno, problem, os.fspath(path)) from None


def is_remote(path: os.PathLike | str) -> bool:
    """Whether a path lies in an object store, without renames and locks."""
    return "://" in os.fspath(path)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
