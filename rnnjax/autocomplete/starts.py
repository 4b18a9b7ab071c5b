"""Initial weights: the options that are flags, and what presets say of them."""

import math
from collections.abc import Mapping
from typing import Any

from rnnjax.cells import registry

CELL_OPTIONS = (
    "kernel_init",
    "kernel_gain",
    "recurrent_init",
    "recurrent_gain",
    "keep_bias",
    "reset_bias",
)
OPTIONS = (*CELL_OPTIONS, "embedding_init")

# In TensorFlow 1 one Glorot-uniform matrix [2H, 4H] holds the input and the recurrent
# weights of an LSTM, within +- sqrt(6 / 6H); two [H, 4H] are within +- sqrt(6 / 5H).
# A GRU's gates, [2H, 2H], are within +- sqrt(6 / 4H) as ours; its candidate, [2H, H],
# is within +- sqrt(6 / 3H), and 13 % smaller here, where one draw serves all three.
_JOINT = {"lstm": math.sqrt(5 / 6), "nested_lstm": math.sqrt(5 / 6)}

# The values of each preset; a dictionary holds one for each cell that it names. What is
# missing is as the cell has it. Those of `article` are the starts of TensorFlow 1
# (github.com/distillpub/post--memorization-in-rnns, python/operator).
PRESETS: dict[str, dict[str, Any]] = {
    "small": {},
    "article": {
        "kernel_init": "glorot_uniform",
        "kernel_gain": _JOINT,
        "recurrent_init": "glorot_uniform",
        "recurrent_gain": _JOINT,
        "keep_bias": {"gru": 1.0, "lstm": 1.0, "nested_lstm": 1.0},
        "reset_bias": {"gru": 1.0},
        "embedding_init": "uniform",
    },
}


def resolve(preset: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Each of `OPTIONS`: its value in `given`, else the preset's, else None."""
    values = {name: given[name] for name in OPTIONS}
    return {
        name: PRESETS[preset].get(name) if value is None else value
        for name, value in values.items()
    }


def of_cell(start: Mapping[str, Any], cell: str) -> dict[str, Any]:
    """The options of a cell in what `resolve` gave, as its entry in `CELLS` takes them.

    Options that the cell does not have, or that its entry fixes, are left out.
    """
    options = {}
    for name in CELL_OPTIONS:
        value = start[name]
        if isinstance(value, Mapping):
            value = value.get(cell)
        if value is not None and name in registry.options(cell):
            named = registry.NAMED_OPTIONS.get(name)
            options[name] = named[value] if named else value
    return options
