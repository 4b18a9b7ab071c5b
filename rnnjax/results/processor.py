"""This machine's processor: its model, which results name, and what it can execute,
which is part of the key of compiled programs.
"""

import hashlib
import pathlib
import platform
import re

CPUINFO = pathlib.Path("/proc/cpuinfo")
FEATURES = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)
FIELD = r"^{}[ \t]*: *(\S.*)$"
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


def model() -> str:
    """The model as the system names it: AMD EPYC (family 25, model 17).

    The numbers tell models of one name apart; they are left out where there are none.
    """
    try:
        text = CPUINFO.read_text()
    except OSError:
        text = ""
    name, family, number = (
        re.search(FIELD.format(key), text, re.MULTILINE)
        for key in ("model name", "cpu family", "model")
    )
    if name is None:
        return platform.processor() or platform.machine()
    if family is None or number is None:
        return name[1]
    return f"{name[1]} (family {family[1]}, model {number[1]})"


def digest() -> str:
    """The architecture and all features as a short name: x86_64-fff8d890470f."""
    hashed = hashlib.sha256(" ".join(features()).encode()).hexdigest()
    return f"{platform.machine()}-{hashed[:12]}"


def vector_instructions() -> str:
    """The architecture and the vector instructions that a compiler may choose from."""
    vectors = [name for name in features() if VECTORS.match(name)]
    return " ".join([platform.machine(), *(vectors or features())])
