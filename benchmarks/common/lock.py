"""One process at a time in a local run folder, or in a slice of it.

The lock is the kernel's (flock on `.lock` in the folder), so a holder that dies
releases it. Folders in object stores, and file systems without locks, have none.
"""

import contextlib
import errno
import fcntl
from collections.abc import Iterator

from etils import epath

from rnnjax.engine.runner import WHOLE, ProcessSlice
from rnnjax.results import files

from . import errors

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def held(folder: epath.Path, piece: ProcessSlice = WHOLE) -> Iterator[None]:
    """Holds the lock of a slice of a folder; makes the folder if there is none.

    The lock of the whole excludes those of all slices.

    Raises `errors.UsageError` if another process holds it, and OSError if the folder
    cannot be written.
    """
    if files.is_remote(folder):
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    if piece.name:
        wanted = {".lock": fcntl.LOCK_SH, f".lock-{piece.name}": fcntl.LOCK_EX}
    else:
        wanted = {".lock": fcntl.LOCK_EX}
    with contextlib.ExitStack() as stack:
        for name, kind in wanted.items():
            file = stack.enter_context(open(folder / name, "a"))
            try:
                fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                problem = "another process is at work there"
                allowed = "another folder, or to wait for it"
                raise errors.UsageError("out_dir", folder, problem, allowed) from None
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
        yield
