"""All cells by name. A new cell is one file beside this one and one line here; every test runs over this table."""

import dataclasses
import functools

import jax

from rnnjax.cells.cell import Cell
from rnnjax.cells.gru import GRU, GRUFlax
from rnnjax.cells.lstm import LSTM
from rnnjax.cells.rnn import RNN
from rnnjax.initializers import INITIALIZERS

CELLS = {
    "rnn_tanh": functools.partial(RNN, activation=jax.numpy.tanh),
    "rnn_relu": functools.partial(RNN, activation=jax.nn.relu),
    "irnn": functools.partial(
        RNN,
        activation=jax.nn.relu,
        kernel_init=INITIALIZERS["small_normal"],
        recurrent_init=INITIALIZERS["identity"],
    ),
    "gru": GRU,
    "gru_flax": GRUFlax,
    "lstm": LSTM,
}


def options(name: str) -> frozenset[str]:
    """The settings that the cell called `name` leaves open, such as `keep_bias` or `activation`."""
    entry = CELLS[name]
    fixed = entry.keywords if isinstance(entry, functools.partial) else {}
    fields = {field.name for field in dataclasses.fields(getattr(entry, "func", entry))}
    return frozenset(fields - {field.name for field in dataclasses.fields(Cell.__base__)} - {"hidden_size"} - fixed.keys())
