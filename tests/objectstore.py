"""A fake object store."""

import os
import pathlib

from etils.epath import backend


class Store(backend._OsPathBackend):
    """What gs:// paths are here: files under `root`, which are written whole and neither appended to nor renamed."""

    def __init__(self, root: pathlib.Path):
        self.root, self.written = root, []

    def _local(self, path) -> str:
        return str(
            self.root / os.fspath(path).removeprefix("gs://").removeprefix("/gs/")
        )

    def _remote(self, path: str) -> str:
        return "gs://" + os.path.relpath(path, self.root)

    def open(self, path, mode):
        if "r" not in mode:
            assert mode in ("w", "wb"), mode
            self.written.append(os.fspath(path))
            pathlib.Path(self._local(path)).parent.mkdir(parents=True, exist_ok=True)
        return super().open(self._local(path), mode)

    def glob(self, path):
        return [self._remote(found) for found in super().glob(self._local(path))]

    def rename(self, *_):
        raise AssertionError("object stores do not rename")

    replace = rename


for name in (
    "exists",
    "isdir",
    "listdir",
    "mkdir",
    "makedirs",
    "remove",
    "rmtree",
    "stat",
):

    def _forward(self, path, *rest, name=name, **more):
        return getattr(backend._OsPathBackend, name)(
            self, self._local(path), *rest, **more
        )

    setattr(Store, name, _forward)
