"""Work that ends at once, whatever XLA is at.

Python handles a signal only when a call into XLA returns, and one that compiles or runs
may take minutes. So the work is done by a thread, and the main thread waits for it.
"""

import contextvars
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn, TextIO

from . import errors


def run(work: Callable[[], None], seconds: float | None, late: str) -> None:
    """Does the work, for at most so many seconds.

    If time is up or a signal comes, the process ends, with the line `late` or that of
    the signal. What the work raises is raised.
    """
    raised = list[BaseException]()

    def target() -> None:
        try:
            work()
        except BaseException as error:  # raised again below
            raised.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(target,), daemon=True)
    try:
        thread.start()
        thread.join(seconds)
    except errors.Stopped as stopped:
        _leave(stopped.status, str(stopped), sys.stderr)
    except KeyboardInterrupt:
        _leave(errors.INTERRUPTED, errors.stop_line("Interrupted", False), sys.stderr)
    if thread.is_alive():
        _leave(0, late, sys.stdout)
    if raised:
        raise raised[0]


def _leave(status: int, line: str, file: TextIO) -> NoReturn:
    """Ends the process without waiting for its threads."""
    print(line, file=file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
