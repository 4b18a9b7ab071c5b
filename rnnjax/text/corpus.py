"""Texts as arrays of characters, reduced as text8 was: a to z and single spaces, digits spelled out.

A source is one of
    text8       the first 100,000,000 characters of Wikipedia (Mahoney 2006), fetched once from its public address: see fetch.py
    embedded    the English prose that every CPython carries as the topics of its `pydoc_data`, about 500,000 characters; it differs
                between Python versions
    a path      of a plain, .gz or .zip file; of an archive, its first file
The SHA-256 of the reduced text is recorded with every run.
"""

import functools
import gzip
import hashlib
import io
import zipfile
import zlib

import numpy as np
from etils import epath

from rnnjax.text import fetch

CLASSES = 27  # space, a to z
LETTERS = b"abcdefghijklmnopqrstuvwxyz"
DIGITS = (
    b"zero",
    b"one",
    b"two",
    b"three",
    b"four",
    b"five",
    b"six",
    b"seven",
    b"eight",
    b"nine",
)
LEAST = 2000  # characters

_KEPT = bytes(
    code if code in LETTERS + b"0123456789" else ord(" ") for code in range(256)
)
_CLASSES = bytes(
    LETTERS.index(code) + 1 if code in LETTERS else 0 for code in range(256)
)


def reduce(text: str) -> str:
    """Lower case, digits spelled out, everything but letters a single space."""
    return _reduce(text).decode("ascii")


@functools.cache
def read(source: str) -> np.ndarray:
    """The text as uint8 classes `[N]`, 0 for a space and 1 to 26 for a to z, read-only.

    Raises OSError for a file that cannot be read or fetched, and ValueError for one that is damaged or has no usable text.
    """
    if source == "text8":
        text = _unpack(fetch.fetch(fetch.TEXT8).read_bytes(), ".zip").strip()
    elif source == "embedded":
        text = _reduce(_embedded())
    else:
        text = _reduce(
            _unpack(epath.Path(source).read_bytes(), source).decode("utf-8", "replace")
        )
    if len(text) < LEAST:
        raise ValueError(
            f"it has {len(text)} usable characters, and {LEAST:,} are needed"
        )
    return np.frombuffer(text.translate(_CLASSES), np.uint8)


def digest(source: str) -> str:
    """The SHA-256 of the reduced text."""
    return hashlib.sha256(read(source)).hexdigest()


def _reduce(text: str) -> bytes:
    data = text.lower().encode("ascii", "replace").translate(_KEPT)
    for digit, name in enumerate(DIGITS):
        data = data.replace(b"%d" % digit, b" %s " % name)
    codes = np.frombuffer(data, np.uint8)
    letters = codes != ord(" ")
    kept = letters.copy()
    kept[1:] |= letters[:-1]
    return codes[kept].tobytes().rstrip()


def _embedded() -> str:
    from pydoc_data import topics

    return "\n".join(topics.topics[name] for name in sorted(topics.topics))


def _unpack(data: bytes, name: str) -> bytes:
    try:
        if name.endswith(".gz"):
            return gzip.decompress(data)
        if name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return archive.read(archive.namelist()[0])
    except (
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
        gzip.BadGzipFile,
        IndexError,
        RuntimeError,
    ) as error:
        raise ValueError(f"it is damaged ({error})") from None
    return data
