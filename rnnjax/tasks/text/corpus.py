"""Texts as arrays of characters, reduced as text8 was: a to z and single spaces, digits spelled out.

A source is the path of a plain, .gz or .zip file, or `embedded`: the English prose that every CPython carries as the topics of its
`pydoc_data`, about 500,000 characters. It differs between Python versions, so its SHA-256 is recorded with every run.
"""

import functools
import gzip
import hashlib
import io
import re
import zipfile

import numpy as np
from etils import epath

CLASSES = 27  # space, a to z
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def reduce(text: str) -> str:
    """Lower case, digits spelled out, everything but letters a single space."""
    text = re.sub("[0-9]", lambda digit: f" {DIGITS[int(digit.group())]} ", text.lower())
    return re.sub("[^a-z]+", " ", text).strip()


@functools.cache
def read(source: str) -> np.ndarray:
    """The text as uint8 classes `[N]`, 0 for a space and 1 to 26 for a to z.

    Raises OSError for a file that cannot be read, and ValueError for one without usable text.
    """
    text = reduce(_raw(source))
    if len(text) < 2000:
        raise ValueError(f"it has {len(text)} usable characters, and 2,000 are needed")
    codes = np.frombuffer(text.encode("ascii"), np.uint8)
    return np.where(codes == ord(" "), 0, codes - (ord("a") - 1)).astype(np.uint8)


def digest(source: str) -> str:
    """The SHA-256 of the reduced text."""
    return hashlib.sha256(read(source).tobytes()).hexdigest()


def _raw(source: str) -> str:
    if source == "embedded":
        from pydoc_data import topics

        return "\n".join(topics.topics[name] for name in sorted(topics.topics))
    data = epath.Path(source).read_bytes()
    try:
        if source.endswith(".gz"):
            data = gzip.decompress(data)
        elif source.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                data = archive.read(archive.namelist()[0])
    except (EOFError, zipfile.BadZipFile, gzip.BadGzipFile, IndexError) as error:
        raise ValueError(f"it is damaged ({error})") from None
    return data.decode("utf-8", "replace")
