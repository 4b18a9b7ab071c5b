"""Benchmarks of what recurrent neural networks remember, on JAX and Flax.

Axes have one letter each throughout:

    L  lane: one training or one pair of sequences, of many that run side by side
    T  time step
    B  sample of a batch
    I  input feature
    H  hidden unit
    O  output
    S  number in the state
    N  position: a sample at a time step, as one row
    V  class, such as a word of the vocabulary
    C  position in a chunk
    P  parameter

Inside a lane time comes first: inputs x are `[T, B, I]` and outputs y `[T, B, H]`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnjax import measure
    from rnnjax.cells.cell import Cell
    from rnnjax.cells.registry import CELLS
    from rnnjax.results import statistics
    from rnnjax.results.rows import columns, read_columns, read_rows

__all__ = [
    "CELLS",
    "Cell",
    "columns",
    "measure",
    "read_columns",
    "read_rows",
    "statistics",
]
__version__ = "0.3.0"

# Where these names are: whoever only reads results need not wait for JAX.
_MODULES = {
    "CELLS": "rnnjax.cells.registry",
    "Cell": "rnnjax.cells.cell",
    "columns": "rnnjax.results.rows",
    "read_columns": "rnnjax.results.rows",
    "read_rows": "rnnjax.results.rows",
    "statistics": "rnnjax.results",
}


def __getattr__(name: str) -> Any:
    if name == "measure":
        return importlib.import_module("rnnjax.measure")
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
