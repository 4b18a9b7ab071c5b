"""All cells by name, and their options.

A new cell is a file beside this one and an entry in `CELLS`; tests cover every entry.
Where the name of a cell is asked for, `module:Class` names one that is written
elsewhere; see `own`.
"""

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnnjax.cells import (
    antisymmetric,
    brc,
    cornn,
    gru,
    indrnn,
    janet,
    lem,
    linear,
    lstm,
    mgu,
    own,
    ran,
    rnn,
    shift,
    slstm,
    star,
    ugrnn,
)
from rnnjax.cells.activations import ACTIVATIONS, identity
from rnnjax.cells.cell import Cell
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.settings import MAX_INT, SettingError, setting

_rectified = functools.partial(rnn.RNN, activation=jax.nn.relu)
# These cells have no recurrent matrix, so recurrent_init is not among their options;
# those without recurrent weights have no recurrent_gain either.
_no_matrix: dict[str, Any] = {"recurrent_init": None}
_no_weights: dict[str, Any] = {**_no_matrix, "recurrent_gain": 1.0}

# Each entry makes a cell: entry(hidden_size=..., **options).
CELLS: dict[str, Callable[..., Cell]] = {
    "rnn_tanh": functools.partial(rnn.RNN, activation=jnp.tanh),
    "rnn_relu": _rectified,
    "irnn": functools.partial(
        _rectified,
        kernel_init=INITIALIZERS["small_normal"],
        recurrent_init=INITIALIZERS["identity"],
    ),
    "np_rnn": functools.partial(
        _rectified, recurrent_init=INITIALIZERS["positive_definite"]
    ),
    "ugrnn": ugrnn.UGRNN,
    "intersection_rnn": ugrnn.IntersectionRNN,
    "gru": gru.GRU,
    "gru_flax": gru.GRUFlax,
    "mgu": mgu.MGU,
    "mgu_flax": mgu.MGUFlax,
    "lstm": lstm.LSTM,
    "nested_lstm": lstm.NestedLSTM,
    "lstm_peephole": lstm.PeepholeLSTM,
    "lstm_nig": functools.partial(lstm.PeepholeLSTM, gates="fo"),
    "lstm_nfg": functools.partial(lstm.PeepholeLSTM, gates="io", keep_bias=0.0),
    "lstm_nog": functools.partial(lstm.PeepholeLSTM, gates="if"),
    "lstm_niaf": functools.partial(lstm.PeepholeLSTM, input_activation=False),
    "lstm_noaf": functools.partial(lstm.PeepholeLSTM, output_activation=False),
    "lstm_cifg": functools.partial(lstm.PeepholeLSTM, gates="io", coupled=True),
    "lstm_np": functools.partial(lstm.PeepholeLSTM, peepholes=False),
    "lstm_fgr": functools.partial(lstm.PeepholeLSTM, gate_recurrence=True),
    "min_gru": functools.partial(linear.MinGRU, **_no_weights),
    "min_lstm": functools.partial(linear.MinLSTM, **_no_weights),
    "lru": functools.partial(linear.LRU, **_no_weights),
    "slstm": slstm.SLSTM,
    "indrnn": functools.partial(indrnn.IndRNN, **_no_matrix),
    "janet": janet.JANET,
    "antisymmetric_rnn": antisymmetric.AntisymmetricRNN,
    "cornn": cornn.CoRNN,
    "lem": lem.LEM,
    "brc": functools.partial(brc.BRC, **_no_matrix),
    "nbrc": brc.NBRC,
    "star": star.STAR,
    "ran": ran.RAN,
    "rnn_linear": functools.partial(rnn.RNN, activation=identity),
    "delay_line": functools.partial(shift.DelayLine, **_no_weights),
    "cycle": functools.partial(shift.Cycle, **_no_matrix),
}

# What each option of a cell means.
OPTIONS: dict[str, str] = {
    "kernel_init": "Initializer of the input weights.",
    "kernel_gain": "Factor on the initial input weights.",
    "recurrent_init": "Initializer of the recurrent weights.",
    "recurrent_gain": "Factor on the initial recurrent weights.",
    "learn_carry": "Learn the initial state, which starts at 0.",
    "keep_bias": "Initial bias of the gate that keeps the state; positive keeps more.",
    "reset_bias": "Initial bias of a GRU's reset gate; positive resets less.",
    "activation": "Nonlinearity of the state.",
    "gate_activation": "Nonlinearity of the gates.",
    "depth": "Levels of a nested LSTM's memory.",
    "gates": "Which of the gates i, f, o an LSTM has; a gate left out is 1.",
    "coupled": "Forget what the input gate replaces: f = 1 - i.",
    "peepholes": "The gates read the memory c.",
    "input_activation": "Apply the nonlinearity to what enters the memory.",
    "output_activation": "Apply the nonlinearity to what is read from the memory.",
    "gate_recurrence": "The gates read the previous gates.",
    "beta": "By how much less JANET closes the way in than it forgets.",
    "dt": "Time step of a cell that discretizes a differential equation.",
    "diffusion": "Rate at which the state of an AntisymmetricRNN decays.",
    "gamma": "Stiffness of a coRNN's oscillators.",
    "epsilon": "Damping of a coRNN's oscillators.",
}
# The options that are flags of a benchmark for all cells that have them. Any other
# attribute of a user's cell is a flag of that cell.
SHARED_OPTIONS = frozenset(
    {
        *("kernel_init", "kernel_gain", "recurrent_init", "recurrent_gain"),
        *("learn_carry", "keep_bias", "reset_bias"),
        *("activation", "gate_activation", "depth"),
    }
)
# The options whose values are functions, and the table of their names.
NAMED_OPTIONS: dict[str, Mapping[str, Callable]] = {
    "kernel_init": INITIALIZERS,
    "recurrent_init": INITIALIZERS,
    "activation": ACTIVATIONS,
    "gate_activation": ACTIVATIONS,
}
# The options whose values may be traced and so may differ from lane to lane.
TRACED_OPTIONS = frozenset({"kernel_gain", "recurrent_gain", "keep_bias", "reset_bias"})


def find(name: str, values: Mapping[str, Any] = {}) -> Callable[..., Any]:
    """What makes the cell called `name`: `make(hidden_size=..., **options)`.

    `values` are those of `own_options`. Raises ValueError for a name that is no cell.
    """
    if name in CELLS:
        return CELLS[name]
    given = {k: v for k, v in values.items() if k in _numbers(name)}
    return functools.partial(own.find(name).make, **given)


def file_name(name: str) -> str:
    """The name of a cell as a part of file names."""
    return name.replace(":", ".")


def cell_setting(default: Any) -> Any:
    """The setting of names of cells: those in `CELLS`, and `module:Class`."""
    other = own.find, own.ALLOWED
    help = "Cells, or module:Class of a file of yours."
    return setting(default, help, choices=CELLS, all_choices=True, other=other)


def _numbers(name: str) -> dict[str, Any]:
    """The attributes of a user's cell that are numbers, words, or true or false.

    Those that are flags for other cells, too, are not among them.
    """
    return {
        option: default
        for option, default in own.find(name).options.items()
        if option not in SHARED_OPTIONS and type(default) in (bool, int, float, str)
    }


def own_options(names: Sequence[str], taken: Collection[str]) -> type:
    """A dataclass of the options that a user's cells alone have.

    Those whose names are `taken` by other flags are left out. Raises ValueError for a
    name that is no cell.
    """
    fields: dict[str, tuple[str, type, Any]] = {}
    for name in names:
        for option, default in _numbers(name).items():
            if option not in taken:
                low = -MAX_INT if type(default) is int else None
                value = setting(default, f"Attribute of {name}.", low=low)
                fields.setdefault(option, (option, type(default), value))
    return dataclasses.make_dataclass("OwnOptions", fields.values(), frozen=True)


def check_own(names: Sequence[str], values: Mapping[str, Any]) -> None:
    """Raises SettingError for values of options that no user's cell among them has."""
    known = [option for name in names if name not in CELLS for option in _numbers(name)]
    for option, value in values.items():
        if option not in known:
            problem = f"not an option of {', '.join(names)}"
            allowed = ", ".join(known) or "the options of the binary"
            raise SettingError(option, value, problem, allowed)


def describe_own(
    names: Sequence[str], values: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The digest of the source and the options of those cells that are a user's."""
    return {
        name: {"sha256": own.find(name).sha256}
        | {k: values.get(k, default) for k, default in _numbers(name).items()}
        for name in names
        if name not in CELLS
    }


def options(name: str) -> frozenset[str]:
    """The options of the cell called `name`, such as `keep_bias` or `activation`.

    An option that its entry in `CELLS` fixes is not one of them: `rnn_relu` has no
    `activation`.
    """
    if name not in CELLS:
        return frozenset(own.find(name).options)
    entry: Any = CELLS[name]
    fixed: Mapping[str, Any] = {}
    if isinstance(entry, functools.partial):
        entry, fixed = entry.func, entry.keywords
    flax_fields = {field.name for field in dataclasses.fields(nn.RNNCellBase)}
    fields = {field.name for field in dataclasses.fields(entry)}
    return frozenset(fields - flax_fields - {"hidden_size"} - fixed.keys())


def check_option(option: str, value: Any, cells: Sequence[str]) -> None:
    """Raises SettingError for a value of an option that none of the cells has."""
    if value is None or any(option in options(cell) for cell in cells):
        return
    with_it = ", ".join(cell for cell in CELLS if option in options(cell))
    problem = f"not an option of {', '.join(cells)}"
    raise SettingError(option, value, problem, f"with {with_it}")


def option_values(cell: nn.Module) -> dict[str, Any]:
    """The values of a cell's options, fixed ones included, with functions by name."""
    values = {name: getattr(cell, name) for name in OPTIONS if hasattr(cell, name)}
    for name, table in NAMED_OPTIONS.items():
        if name in values:
            values[name] = name_of(table, values[name])
    return values


def name_of(table: Mapping[str, Any], value: Any) -> str | None:
    """The name of a value in a table such as `INITIALIZERS`, or None if it has none."""
    return next((name for name, entry in table.items() if entry == value), None)
