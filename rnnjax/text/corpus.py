"""Texts as arrays of 27 character classes, reduced as text8 was.

Letters become lower case, digits are spelled out, and every run of other characters
becomes one space. A source is one of

    text8       the first 100,000,000 characters of Wikipedia (Mahoney 2006), downloaded
                once from their public address; see fetch.py
    embedded    the English prose in Python's own `pydoc_data.topics`, which differs
                between Python versions
    a path      of a plain, .gz or .zip file; of a zip archive, the first file is read
    a `Source`  of synthetic words; see synthetic.py

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

from rnnjax.text import fetch, synthetic

CLASSES = 27  # space, a to z
ALLOWED = "a text file, plain, .gz or .zip, text8, embedded, or synthetic"
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
MIN_CHARACTERS = 2000  # the last 5 %, a test split, then hold windows of 50 characters

# Tables for `bytes.translate`: entry k replaces the byte k.
_BLANK_OTHERS = bytes(
    code if code in LETTERS + b"0123456789" else ord(" ") for code in range(256)
)
_TO_CLASSES = bytes(
    LETTERS.index(code) + 1 if code in LETTERS else 0 for code in range(256)
)


def reduce(text: str) -> str:
    """Reduces a text to a to z and single spaces, with digits spelled out.

    For example, "Hello,  World!\\n42 times" becomes "hello world four two times".
    """
    return _reduce(text).decode("ascii")


def read(source: str | synthetic.Source, data_dir: str | None = None) -> np.ndarray:
    """Reads a text and reduces it.

    Args:
      source: "text8", "embedded", the path of a file, or a synthetic source.
      data_dir: the folder that holds text8, or that it is downloaded to; by default
        `fetch.default_folder()`. The other sources do not use it.

    Returns:
      The character classes, uint8 [N], read-only: 0 for a space, 1 to 26 for a to z.
      A text is read once per process; see `clear_cache`.

    Raises:
      OSError: the file cannot be read or downloaded.
      ValueError: the file is damaged, no text, or has fewer than `MIN_CHARACTERS`
        usable characters.
    """
    if source != "text8":
        return _load(source, None)
    return _load(source, str(data_dir or fetch.default_folder()))


def digest(source: str | synthetic.Source, data_dir: str | None = None) -> str:
    """The SHA-256 of the reduced text in hexadecimal; see `read` for the arguments."""
    return hashlib.sha256(read(source, data_dir)).hexdigest()


def clear_cache() -> None:
    """Forgets the texts read so far: a file that has changed is then read again."""
    _load.cache_clear()


@functools.cache
def _load(source: str | synthetic.Source, folder: str | None) -> np.ndarray:
    if isinstance(source, synthetic.Source):
        made = synthetic.text(source)
        made.flags.writeable = False
        return made
    if source == "text8":
        path = fetch.fetch(fetch.TEXT8, folder)
        text = _unpack(path.read_bytes(), path.name).strip()
    elif source == "embedded":
        text = _reduce(_embedded())
    else:
        data = _unpack(epath.Path(source).read_bytes(), source)
        if b"\0" in data:
            raise ValueError("it is no text: it has bytes that are 0")
        text = _reduce(data.decode("utf-8", "replace"))
    if len(text) < MIN_CHARACTERS:
        raise ValueError(
            f"it has {len(text)} usable characters, and {MIN_CHARACTERS:,} are needed"
        )
    return np.frombuffer(text.translate(_TO_CLASSES), np.uint8)


def _reduce(text: str) -> bytes:
    data = text.lower().encode("ascii", "replace").translate(_BLANK_OTHERS)
    for digit, name in enumerate(DIGITS):
        data = data.replace(b"%d" % digit, b" %s " % name)
    codes = np.frombuffer(data, np.uint8)
    is_letter = codes != ord(" ")
    # A space is kept only right after a letter: no run of spaces, none at the start.
    kept = is_letter.copy()
    kept[1:] |= is_letter[:-1]
    return codes[kept].tobytes().rstrip()


def _embedded() -> str:
    from pydoc_data import topics

    return "\n".join(topics.topics[name] for name in sorted(topics.topics))


def _unpack(data: bytes, name: str) -> bytes:
    """The contents of a .gz file or of the first file in a .zip; other data as is."""
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
        IndexError,  # an empty archive
        RuntimeError,  # an encrypted one
    ) as error:
        raise ValueError(f"it is damaged ({error})") from None
    return data
