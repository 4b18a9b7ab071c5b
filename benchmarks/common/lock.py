"""One process at a time in a local run folder, or in a slice of it.

The lock is the kernel's (flock on `.lock` in the folder), so a holder that dies, however it dies, holds it no longer. Folders on
object stores have none, nor have file systems that know none.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator

from benchmarks.common import flags as _flags
from benchmarks.common import processes as _processes

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def held(folder, share: _processes.Share = _processes.WHOLE) -> Iterator[None]:
    """Holds the lock of a slice of a folder, which is made if need be; of all slices unless one is given.

    Raises `_flags.UsageError` if another process holds it, and OSError if the folder cannot be written.
    """
    if "://" in os.fspath(folder):
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (
        {".lock": fcntl.LOCK_SH, f".lock-{share.name}": fcntl.LOCK_EX}
        if share.name
        else {".lock": fcntl.LOCK_EX}
    )
    with contextlib.ExitStack() as stack:
        for name, kind in wanted.items():
            file = stack.enter_context(open(folder / name, "a"))
            try:
                fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                problem = "another process is at work there"
                raise _flags.UsageError(
                    "out_dir", folder, problem, "another folder, or to wait for it"
                ) from None
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
        yield
