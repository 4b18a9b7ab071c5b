"""Texts fetched from their public address, once, into a folder of this machine.

A file is received as `<name>.part`, checked, and only then given its name, so that whatever has the name is whole. A transfer that
was cut goes on where it stopped, in the same call as long as more comes, and otherwise in the next one.
"""

import contextlib
import dataclasses
import hashlib
import http.client
import os
import pathlib
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import BinaryIO

with contextlib.suppress(
    ImportError
):  # a POSIX module: elsewhere two processes must not fetch at once
    import fcntl

FOLDER = "RNNJAX_DATA_DIR"
PATIENCE = 30  # seconds without a byte
PIECE = 2**18  # bytes, the most that are taken at once


@dataclasses.dataclass(frozen=True)
class Source:
    """A file at a public address, its length in bytes and its SHA-256."""

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


TEXT8 = Source(
    "http://mattmahoney.net/dc/text8.zip",
    31_344_016,
    "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
)


class FetchError(OSError):
    """A file is not there and cannot be had; the message, one line, says what to put where by hand."""

    def __init__(self, path: pathlib.Path, source: Source, reason):
        state = "is damaged" if path.exists() else "is missing"
        reason = " ".join(str(reason).split())
        message = f"{path} {state} and could not be fetched ({reason}); put {source.url} there by hand, or set {FOLDER}"
        super().__init__(message)
        self.strerror = message


def default_folder() -> pathlib.Path:
    """$RNNJAX_DATA_DIR, else $XDG_CACHE_HOME/rnnjax, else ~/.cache/rnnjax."""
    if os.environ.get(FOLDER):
        return pathlib.Path(os.environ[FOLDER]).expanduser()
    return (
        pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        / "rnnjax"
    )


def fetch(
    source: Source = TEXT8, folder=None, progress: Callable[[float], None] | None = None
) -> pathlib.Path:
    """The path of the whole, checked file in `folder`, or in the default one.

    A file that is there is checked and used without a network; a damaged one is replaced. `progress` is called with the share that
    has been received, 0 to 1. A second process waits for the first. Raises `FetchError`; what was received by then is kept for the
    next call, unless its SHA-256 is wrong.
    """
    path = (pathlib.Path(folder) if folder else default_folder()) / source.name
    if _intact(path, source):
        return path
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            _wait_for_others(file)
            if _intact(path, source):
                part.unlink(missing_ok=True)
                return path
            _receive_all(source, file, progress or (lambda share: None))
            file.flush()
            if not _intact(part, source):
                part.unlink()
                raise OSError("what was received has the wrong SHA-256")
            part.replace(path)
    except OSError as error:
        raise FetchError(path, source, getattr(error, "reason", error)) from None
    return path


def _intact(path: pathlib.Path, source: Source) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == source.sha256
    except OSError:
        return False


def _wait_for_others(file: BinaryIO) -> None:
    """Waits until no other process writes to the file, where the system can tell; the lock ends when the file is closed."""
    with contextlib.suppress(NameError, OSError):
        fcntl.flock(file, fcntl.LOCK_EX)


def _receive_all(
    source: Source, file: BinaryIO, progress: Callable[[float], None]
) -> None:
    """Receives until the file has its length. Raises OSError when an attempt brings nothing more."""
    while (before := file.tell()) < source.size:
        failure = OSError("the connection was cut")
        try:
            _receive(source, file, progress)
        except urllib.error.HTTPError as error:
            error.close()
            failure = OSError(f"the server says {error.code} {error.reason}")
        except http.client.HTTPException as error:
            failure = OSError(repr(error))
        except OSError as error:
            failure = error
        if file.tell() <= before:
            raise failure


def _receive(source: Source, file: BinaryIO, progress: Callable[[float], None]) -> None:
    """One request, for what the file still lacks; a server that sends all of it makes the file start over."""
    begin = file.tell()
    headers = {"User-Agent": "rnnjax"} | ({"Range": f"bytes={begin}-"} if begin else {})
    with urllib.request.urlopen(
        urllib.request.Request(source.url, headers=headers), timeout=PATIENCE
    ) as response:
        begin = begin if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        length = begin + int(
            response.headers.get("Content-Length", source.size - begin)
        )
        if length != source.size:
            raise OSError(
                f"the server has {length} bytes, and it should have {source.size}"
            )
        file.truncate(begin)
        file.seek(begin)
        while file.tell() <= source.size and (piece := response.read1(PIECE)):
            file.write(piece)
            progress(min(file.tell() / source.size, 1.0))
