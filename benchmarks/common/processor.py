"""What this machine's processor can execute: part of the key of compiled programs, and
of the machine that a timing belongs to.
"""

import hashlib
import pathlib
import platform
import re

CPUINFO = pathlib.Path("/proc/cpuinfo")
FEATURES = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)
VECTORS = re.compile(r"avx|amx|fma|sse4|sve|asimd|neon")


def features() -> list[str]:
    """The names of all features, sorted.

    Where the system does not list them, the words of the processor's name.
    """
    try:
        listed = FEATURES.search(CPUINFO.read_text())
    except OSError:
        listed = None
    return sorted(listed[1].split()) if listed else platform.processor().split()


def digest() -> str:
    """The architecture and all features as a short name: x86_64-fff8d890470f."""
    hashed = hashlib.sha256(" ".join(features()).encode()).hexdigest()
    return f"{platform.machine()}-{hashed[:12]}"


def vector_instructions() -> str:
    """The architecture and the vector instructions that a compiler may choose from."""
    vectors = [name for name in features() if VECTORS.match(name)]
    return " ".join([platform.machine(), *(vectors or features())])
