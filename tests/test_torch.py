"""LSTM and GRU (reset after the product) against PyTorch's, others against its users'.

`make_torch_vectors.py` and `make_torchrecurrent_vectors.py` wrote the vectors that ours
are compared with.
"""

import json
import pathlib

import numpy as np
import pytest

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import unroll

VECTORS, LONG_MEMORY = (
    json.loads(pathlib.Path(__file__).with_name(f"{name}_vectors.json").read_text())
    for name in ("torch", "torchrecurrent")
)
# PyTorch stacks its gates as rows in this order; ours are columns.
ORDER = {"lstm": (0, 1, 2, 3), "gru_flax": (1, 0, 2)}


def columns(rows, order):
    blocks = np.split(np.asarray(rows), len(order))
    return np.concatenate([blocks[k] for k in order]).T


def layer(parameters, k, name):
    """One layer's parameters, `k` counted from 0 at the bottom.

    PyTorch has two biases for each gate, which we add up; only the second bias of the
    GRU's candidate is a parameter of ours.
    """
    order = ORDER[name]
    get = {
        key: columns(parameters[f"{key}_l{k}"], order)
        for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    bias, second = get["bias_ih"], get["bias_hh"]
    ours = {
        "input": {"kernel": get["weight_ih"], "bias": bias + second},
        "recurrent": {"kernel": (get["weight_hh"],)},
    }
    if name == "gru_flax":
        units = len(bias) // 3
        apart = np.concatenate([second[: 2 * units], np.zeros(units)])
        ours["input"]["bias"] = bias + apart
        ours["candidate_bias"] = {"value": second[2 * units :]}
    return ours


@pytest.mark.parametrize("name", ["lstm", "gru_flax"])
def test_agrees_with_pytorch(name, x64):
    case, layers = VECTORS[name], VECTORS["layers"]
    cell = networks.build(registry.CELLS[name], VECTORS["units"], layers)
    variables = {
        "params": {
            f"layers_{k}": layer(case["parameters"], k, name) for k in range(layers)
        }
    }
    z = cell.apply(variables, np.asarray(case["x"]), method="project")
    start = tuple(
        (np.zeros(VECTORS["units"]),) * len(case["state"]) for _ in range(layers)
    )
    carry, y = unroll.unroll(
        lambda c, row: cell.apply(variables, c, row, method="step"), start, z
    )
    np.testing.assert_allclose(y, case["y"], rtol=0, atol=1e-12)
    for k, state in enumerate(carry):
        for leaf, expected in zip(state, case["state"], strict=True):
            np.testing.assert_allclose(leaf, expected[k], rtol=0, atol=1e-12)


# Which blocks of torchrecurrent's input weights are those of our `input`, in our order.
BLOCKS = {"lem": (0, 1, 2, 3), "star": (1, 0), "ran": (1, 2)} | {
    **dict.fromkeys(("indrnn", "antisymmetric_rnn", "cornn"), (0,)),
    **dict.fromkeys(("janet", "brc", "nbrc"), (0, 1)),
}
# The submodule of the block that has no bias, and where that block is.
WITHOUT_BIAS = {
    "brc": ("candidate", 2),
    "nbrc": ("candidate", 2),
    "ran": ("content", 0),
}


def of_torchrecurrent(name, given):
    """The parameters of one of our cells."""
    units, order = LONG_MEMORY["units"], BLOCKS[name]
    p = {key: np.asarray(value) for key, value in given.items()}
    kernels, biases = (
        np.split(p[key], len(p[key]) // units) for key in ("weight_ih", "bias_ih")
    )
    missing = len(kernels) - len(biases)  # before the others
    ours = {
        "input": {
            "kernel": np.concatenate([kernels[k] for k in order]).T,
            "bias": np.concatenate([biases[k - missing] for k in order]),
        }
    }
    if name in WITHOUT_BIAS:
        submodule, block = WITHOUT_BIAS[name]
        ours[submodule] = {"kernel": kernels[block].T}
    recurrent = [p[key] for key in ("vector_u", "weight_hh", "weight_ch") if key in p]
    if recurrent[0].ndim == 1:
        return ours | {"recurrent": {"value": recurrent[0]}}
    return ours | {"recurrent": {"kernel": tuple(matrix.T for matrix in recurrent)}}


@pytest.mark.parametrize("name", BLOCKS)
def test_agrees_with_torchrecurrent(name, x64):
    case = LONG_MEMORY[name]
    cell = registry.CELLS[name](hidden_size=LONG_MEMORY["units"])
    variables = {"params": of_torchrecurrent(name, case["parameters"])}
    carry = tuple(np.zeros(leaf.shape) for leaf in cell.initial_carry())
    for x, y in zip(np.asarray(case["x"]), case["y"], strict=True):
        carry, ours = cell.apply(variables, carry, x)
        np.testing.assert_allclose(ours, y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(carry[-1], case["state"], rtol=0, atol=1e-12)
