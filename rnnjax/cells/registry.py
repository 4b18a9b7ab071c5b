"""All cells by name. A new cell is one file beside this one and one line here; every test runs over this table."""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from rnnjax.cells import gru, linear, lstm, mgu, rnn, slstm, ugrnn
from rnnjax.cells.cell import Cell
from rnnjax.cells.initializers import INITIALIZERS

_rectified = functools.partial(rnn.RNN, activation=jax.nn.relu)
# Cells without recurrent weights leave no initialiser of them open.
_linear = {"recurrent_init": None, "recurrent_gain": 1.0}

CELLS = {
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
    "min_gru": functools.partial(linear.MinGRU, **_linear),
    "min_lstm": functools.partial(linear.MinLSTM, **_linear),
    "lru": functools.partial(linear.LRU, **_linear),
    "slstm": slstm.SLSTM,
}


def options(name: str) -> frozenset[str]:
    """The settings that the cell called `name` leaves open, such as `keep_bias` or `activation`."""
    entry = CELLS[name]
    fixed = entry.keywords if isinstance(entry, functools.partial) else {}
    fields = {field.name for field in dataclasses.fields(getattr(entry, "func", entry))}
    return frozenset(
        fields
        - {field.name for field in dataclasses.fields(Cell.__base__)}
        - {"hidden_size"}
        - fixed.keys()
    )
