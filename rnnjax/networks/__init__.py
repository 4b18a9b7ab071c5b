"""Networks: an embedding, a stack of cells, and a read-out."""

from rnnjax.networks.counting import (
    largest_hidden_size,
    parameter_count,
    shapes,
    state_size,
)
from rnnjax.networks.layers import unroll_layers
from rnnjax.networks.network import Network, initialize, layer_count, readout
from rnnjax.networks.stack import Stack, build

__all__ = [
    "Network",
    "Stack",
    "build",
    "initialize",
    "largest_hidden_size",
    "layer_count",
    "parameter_count",
    "readout",
    "shapes",
    "state_size",
    "unroll_layers",
]
