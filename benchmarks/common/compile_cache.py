"""Compiled programs are kept in the user's cache folder, so that a second run does not
wait for the compiler.
"""

import hashlib
import os
import pathlib
import platform
import re
import warnings

import jax

READING = re.compile(
    r"Error reading persistent compilation cache entry for '([\w.<>-]+)'"
)


def keep() -> None:
    """Turns JAX's compilation cache on, unless the user has chosen a folder or turned
    it off.

    Machine code is of use only to processors that understand it, so each kind has a
    folder of its own. JAX passes over an entry that it cannot read but never replaces
    it; here it is deleted, and the program it held is compiled and kept again.
    """
    if (
        jax.config.jax_compilation_cache_dir is not None
        or not jax.config.jax_enable_compilation_cache
    ):
        return
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = cache / "rnnjax" / "compiled" / processor()
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    usual = warnings.showwarning

    def show(message, *rest, **more):
        if damaged := READING.match(str(message)):
            for path in folder.glob(f"{damaged[1]}-*"):
                path.unlink(missing_ok=True)
            message = (
                f"a compiled program in {folder} was damaged and is compiled again"
            )
        usual(message, *rest, **more)

    warnings.showwarning = show


def processor() -> str:
    """What this machine's processor understands, as a short name."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = next(
        (line for line in lines if line.startswith(("flags", "Features"))),
        platform.processor(),
    )
    return f"{platform.machine()}-{hashlib.sha256(flags.encode()).hexdigest()[:12]}"
