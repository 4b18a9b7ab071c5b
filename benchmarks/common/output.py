"""Standard output and error that may be closed, full, or unable to show a character.

Results lie in files before they are printed. So a command goes on without its output:
a reader such as `head` may want no more than a part, and a full disk is told at the
end.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from . import errors


class Output:
    """A stream that raises nothing; `failure` is why a part was not written.

    A reader that has left is no failure.
    """

    def __init__(self, stream: Any):
        self.stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        with self._kept():
            try:
                self.stream.write(text)
            except UnicodeEncodeError as error:
                plain = text.replace("±", "+-").encode(error.encoding, "replace")
                self.stream.write(plain.decode(error.encoding))
        return len(text)

    def flush(self) -> None:
        with self._kept():
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.failure = error
            # What is still in the buffer goes nowhere.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)


def run(name: str, work: Callable[[], int]) -> int:
    """The exit status of `work`, run with such streams.

    0 becomes `errors.NOT_PRINTED` if standard output could not be written.
    """
    with open(os.devnull, "w") as nowhere:  # for streams that are closed
        out, err = Output(sys.stdout or nowhere), Output(sys.stderr or nowhere)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = work()
            finally:
                out.flush()
            if out.failure:
                problem = f"standard output cannot be written ({out.failure.strerror})"
                print(f"{name}: {problem}", file=err)
                status = status or errors.NOT_PRINTED
            err.flush()
    return status
