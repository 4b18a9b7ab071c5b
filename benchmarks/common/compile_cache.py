"""Compiled programs are kept in the user's cache folder for later runs."""

import os
import pathlib
import re
import warnings
from typing import Any

import jax

from rnnjax.results import processor

DAMAGED = re.compile(
    r"Error reading persistent compilation cache entry for '([\w.<>-]+)'"
)


def keep() -> None:
    """Turns JAX's cache on, unless the user chose a folder or turned it off.

    Machine code runs only on processors that have its instructions, so each kind of
    processor has its own folder. JAX skips an entry that it cannot read but never
    replaces it; here the entry is deleted, so the program is compiled and stored again.
    """
    chosen = jax.config.jax_compilation_cache_dir is not None
    if chosen or not jax.config.jax_enable_compilation_cache:
        return
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = cache / "rnnjax" / "compiled" / processor.digest()
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    usual = warnings.showwarning

    def show(message: Warning | str, *rest: Any, **named: Any) -> None:
        if damaged := DAMAGED.match(str(message)):
            for path in folder.glob(f"{damaged[1]}-*"):
                path.unlink(missing_ok=True)
            message = (
                f"a compiled program in {folder} was damaged and is compiled again"
            )
        usual(message, *rest, **named)

    warnings.showwarning = show
