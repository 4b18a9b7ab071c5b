"""One process at a time in a local run folder.

The lock is the kernel's (flock on `.lock` in the folder), so a holder that dies, however it dies, holds it no longer. Folders on
object stores have none.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from benchmarks import _flags


@contextlib.contextmanager
def held(folder) -> Iterator[None]:
    """Holds the lock of a folder, which is made if need be.

    Raises `_flags.UsageError` if another process holds it, and OSError if the folder cannot be written.
    """
    if "://" in os.fspath(folder):
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = "another process is at work there"
            raise _flags.UsageError("out_dir", folder, problem, "another folder, or to wait for it") from None
        yield
