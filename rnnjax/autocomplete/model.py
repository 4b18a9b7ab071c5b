"""The network: it reads the characters of a window and names a word at each of them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnnjax import networks
from rnnjax.autocomplete import softmax
from rnnjax.cells.cell import Variables
from rnnjax.cells.initializers import Initializer
from rnnjax.text import windows

LETTERS = windows.CHARACTERS - 1  # classes of characters that are read: all but padding


def build(
    make_cell: Callable[..., nn.Module],
    layers: int,
    hidden_size: int,
    classes: int,
    embedding_init: Initializer | None = None,
    **options: Any,
) -> networks.Network:
    """An embedding of characters, `layers` cells, and a read-out to classes of words.

    The embedding has as many numbers as a layer has units. A cell is
    `make_cell(hidden_size=hidden_size, **options)`.
    """
    return networks.Network(
        networks.build(make_cell, hidden_size, layers, **options),
        embedding=(LETTERS, hidden_size),
        embedding_init=embedding_init,
        outputs=classes,
    )


def one_hot(source: jax.Array) -> jax.Array:
    """Characters `[...]` as vectors `[..., LETTERS]`; padding is a vector of zeros."""
    return jax.nn.one_hot(source.astype(jnp.int32) - 1, LETTERS)


def hidden_outputs(
    network: networks.Network, variables: Variables, source: jax.Array
) -> jax.Array:
    """Outputs of the top layer, y `[T, B, H]`, for windows `source` `[B, T]`.

    The first layer's projection of a character is a row of a table with a row for each
    letter, so all characters are projected as one product with that table.
    """
    table = network.apply(variables, jnp.arange(LETTERS), method="project")
    x = one_hot(source.T)
    z = jax.tree.map(lambda rows: x @ rows, table)
    return networks.unroll_layers(network, variables, z)


def loss(
    network: networks.Network,
    variables: Variables,
    source: jax.Array,
    target: jax.Array,
    weight: jax.Array,
) -> jax.Array:
    """The cross-entropy of windows `[B, T]`, in nats a scored position.

    With the weights w and the probability p of the target word at each position n,

        loss = - sum_n w_n ln p_n / max(1, sum_n w_n).
    """
    y = hidden_outputs(network, variables, source)
    kernel, bias = networks.readout(variables)
    total, count = softmax.cross_entropy(
        y.reshape(-1, y.shape[-1]),
        kernel,
        bias,
        target.T.reshape(-1),
        weight.T.reshape(-1),
    )
    return total / jnp.maximum(count, 1)
