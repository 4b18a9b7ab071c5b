"""Reads idx files, the format of MNIST.

A file is 0, 0, the type of its numbers, the number of axes, the size of each axis, and
the numbers:

    0 0 8 1  0 0 0 2  7 3                       the labels 7, 3
    0 0 8 2  0 0 0 2  0 0 0 2  9 0 0 9          the array [[9, 0], [0, 9]]

Sizes have four bytes, the most significant first. Type 8 is bytes, the only one here.
"""

import gzip
import math
import zlib

import numpy as np

BYTES = 8
GZIP = b"\x1f\x8b"


def parse(data: bytes, axes: int) -> np.ndarray:
    """The array of an idx file, uint8 with so many axes; `data` may be compressed.

    Raises ValueError for anything else.
    """
    if data.startswith(GZIP):
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"it is damaged ({error})") from None
    if data[:4] != bytes([0, 0, BYTES, axes]):
        raise ValueError(f"it is no idx file of bytes with {axes} axes")
    start = 4 + 4 * axes
    if len(data) < start:
        raise ValueError("it is truncated: it ends before its numbers")
    shape = tuple(map(int, np.frombuffer(data[4:start], ">u4")))
    has, needs = len(data) - start, math.prod(shape)
    if has != needs:
        problem = "truncated" if has < needs else "damaged"
        raise ValueError(f"it is {problem}: it has {has:,} numbers of {needs:,}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
