"""LSTM and GRU (reset after the product) against PyTorch's.

`make_torch_vectors.py` wrote the vectors that ours are compared with.
"""

import json
import pathlib

import numpy as np
import pytest

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import unroll

VECTORS = json.loads(pathlib.Path(__file__).with_name("torch_vectors.json").read_text())
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
