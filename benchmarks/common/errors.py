"""What ends a command early: a wrong command line, an unusable file, or a stop."""

from typing import Any

from rnnjax import settings

NOT_PRINTED = 74  # exit status: done, but standard output cannot be written
PREEMPTED = 75  # exit status: what was finished is kept, run the same command again
INTERRUPTED = 130  # the same, after Ctrl-C


class UsageError(Exception):
    """A wrong command line: one line that names flag, value, and what is allowed."""

    flag = problem = ""  # where the line has another form

    def __init__(self, flag: str, value: Any, problem: str, allowed: str):
        self.flag, self.problem = flag, problem
        given = settings.text(value)
        super().__init__(f"--{flag}={given}: {problem}; allowed: {allowed}")


class MemoryTooSmall(UsageError):
    """A run that cannot fit into memory."""

    def __init__(self, problem: str):
        allowed = "fewer lanes or units, more memory or devices, or --force"
        Exception.__init__(self, f"{problem}; allowed: {allowed}")


class FileError(UsageError):
    """A file or folder on the command line that cannot be used."""

    def __init__(self, path: Any, problem: str, allowed: str):
        Exception.__init__(self, f"{path}: {problem}; allowed: {allowed}")


def stop_line(word: str, resumes: bool) -> str:
    """What a command says that is "Preempted" or "Interrupted"."""
    rest = ": the same command goes on from what is kept" if resumes else ""
    return f"{word}{rest}."


class Stopped(BaseException):
    """The command ends now with this exit status and line. It is not an error, so it is
    no `Exception`: nothing that handles errors may swallow it.
    """

    def __init__(self, status: int, line: str):
        super().__init__(line)
        self.status = status
