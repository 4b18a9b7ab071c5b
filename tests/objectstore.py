"""A fake object store."""

import os
import pathlib

from etils.epath import backend

FORWARDED = (
    "exists",
    "isdir",
    "listdir",
    "mkdir",
    "makedirs",
    "remove",
    "rmtree",
    "stat",
)


class Store(backend._OsPathBackend):
    """gs:// paths as files below `root`: written whole, never appended to or renamed.

    `written` are the paths of all writes.
    """

    def __init__(self, root: pathlib.Path):
        self.root, self.written = root, []

    def _local(self, path) -> str:
        name = os.fspath(path).removeprefix("gs://").removeprefix("/gs/")
        return str(self.root / name)

    def _remote(self, path: str) -> str:
        return "gs://" + os.path.relpath(path, self.root)

    def open(self, path, mode):
        if "r" not in mode:
            assert mode in ("w", "wb"), mode
            self.written.append(os.fspath(path))
            pathlib.Path(self._local(path)).parent.mkdir(parents=True, exist_ok=True)
        return super().open(self._local(path), mode)

    def glob(self, path):
        return [self._remote(match) for match in super().glob(self._local(path))]

    def rename(self, *_):
        raise AssertionError("object stores do not rename")

    replace = rename


def _forward(name: str):
    method = getattr(backend._OsPathBackend, name)
    return lambda self, path, *rest, **named: method(
        self, self._local(path), *rest, **named
    )


for name in FORWARDED:
    setattr(Store, name, _forward(name))
