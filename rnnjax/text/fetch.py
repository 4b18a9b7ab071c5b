"""Downloads texts from their public address, once, into a folder of this machine.

A download is written to `<name>.part`, checked by its SHA-256, and only then renamed,
so that a file called `<name>` is always complete. An interrupted transfer is resumed
with an HTTP range request: within the same call as long as every request brings new
bytes, otherwise by the next call.
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

# POSIX only. Elsewhere there is no lock: two processes must not download at once.
with contextlib.suppress(ImportError):
    import fcntl

DATA_DIR_VARIABLE = "RNNJAX_DATA_DIR"
TIMEOUT = 30  # seconds without a byte before a request fails
READ_SIZE = 2**18  # bytes read from the connection at a time, at most


@dataclasses.dataclass(frozen=True)
class Source:
    """A file at a public address, with its size in bytes and its SHA-256."""

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name, the last part of its address."""
        return self.url.rsplit("/", 1)[-1]


TEXT8 = Source(
    "http://mattmahoney.net/dc/text8.zip",
    31_344_016,
    "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
)


class FetchError(OSError):
    """A file is missing or damaged and cannot be downloaded.

    The message is one line. It names the file, the reason, and what to do by hand.
    """

    def __init__(self, path: pathlib.Path, source: Source, reason: object):
        state = "is damaged" if path.exists() else "is missing"
        reason = " ".join(str(reason).split())
        message = (
            f"{path} {state} and could not be fetched ({reason}); "
            f"put {source.url} there by hand, or set {DATA_DIR_VARIABLE} or data_dir "
            "to a folder that has it"
        )
        super().__init__(message)
        self.strerror = message


def default_folder() -> pathlib.Path:
    """$RNNJAX_DATA_DIR, else $XDG_CACHE_HOME/rnnjax, else ~/.cache/rnnjax."""
    if os.environ.get(DATA_DIR_VARIABLE):
        return pathlib.Path(os.environ[DATA_DIR_VARIABLE]).expanduser()
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return cache.expanduser() / "rnnjax"


def fetch(
    source: Source = TEXT8,
    folder: str | os.PathLike[str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> pathlib.Path:
    """Returns the path of the complete, checked file, after a download if necessary.

    A file that is already there is checked and used without a network connection; a
    damaged one is replaced. If another process downloads the same file, the call waits
    for it.

    Args:
      source: the file.
      folder: where it is kept; by default, or if empty, `default_folder()`.
      progress: called with the fraction received so far, 0 to 1.

    Raises:
      FetchError: the file cannot be downloaded. The bytes received are kept for the
        next call, unless the file is complete and its SHA-256 is wrong.
    """
    parent = pathlib.Path(folder).expanduser() if folder else default_folder()
    path = parent / source.name
    if _is_intact(path, source):
        return path
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            _lock(file)
            if _is_intact(path, source):  # another process has downloaded it meanwhile
                part.unlink(missing_ok=True)
                return path
            _download(source, file, progress or (lambda fraction: None))
            file.flush()
            if not _is_intact(part, source):
                part.unlink()
                raise OSError("what was received has the wrong SHA-256")
            part.replace(path)
    except OSError as error:
        raise FetchError(path, source, getattr(error, "reason", error)) from None
    return path


def _is_intact(path: pathlib.Path, source: Source) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == source.sha256
    except OSError:
        return False


def _lock(file: BinaryIO) -> None:
    """Waits for an exclusive lock, which ends when the file is closed.

    Without `fcntl`, or on a file system without locks, it returns at once.
    """
    with contextlib.suppress(NameError, OSError):
        fcntl.flock(file, fcntl.LOCK_EX)


def _download(
    source: Source, file: BinaryIO, progress: Callable[[float], None]
) -> None:
    """Sends requests until the file has its size.

    Raises the OSError of the first request that brings no new bytes.
    """
    while (size_before := file.tell()) < source.size:
        failure = OSError("the connection was cut")
        try:
            _request_rest(source, file, progress)
        except urllib.error.HTTPError as error:
            error.close()
            failure = OSError(f"the server says {error.code} {error.reason}")
        except http.client.HTTPException as error:
            failure = OSError(repr(error))
        except OSError as error:
            failure = error
        if file.tell() <= size_before:
            raise failure


def _request_rest(
    source: Source, file: BinaryIO, progress: Callable[[float], None]
) -> None:
    """Sends one request, for the bytes after the end of `file`, and appends them.

    A server without range requests answers with the whole file (status 200, not 206):
    what was there is then overwritten.
    """
    offset = file.tell()
    headers = {"User-Agent": "rnnjax"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    request = urllib.request.Request(source.url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            offset = 0
        remaining = response.headers.get("Content-Length", source.size - offset)
        size = offset + int(remaining)
        if size != source.size:
            raise OSError(
                f"the server has {size} bytes, and it should have {source.size}"
            )
        file.truncate(offset)
        file.seek(offset)
        # Without a Content-Length a server may send more: stop once past the size.
        while file.tell() <= source.size and (data := response.read1(READ_SIZE)):
            file.write(data)
            progress(min(file.tell() / source.size, 1.0))
