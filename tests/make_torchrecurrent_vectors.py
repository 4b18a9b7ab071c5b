"""Writes tests/torchrecurrent_vectors.json: outputs of torchrecurrent's cells.

To be run with an interpreter that has PyTorch and torchrecurrent 0.2.5:

    python tests/make_torchrecurrent_vectors.py

Weights and inputs are rounded, so that the file is small. Biases that ours do not have
are 0. torchrecurrent differs from the papers in a LEM: what it reads into y is the old
z. Its step is therefore made twice, and y is that of the new z.
"""

import json
import pathlib

import torch
import torchrecurrent

INPUTS, UNITS, STEPS = 2, 3, 3
CELLS = {
    "indrnn": (torchrecurrent.IndRNNCell, {"nonlinearity": "relu"}),
    "janet": (torchrecurrent.JANETCell, {}),
    "antisymmetric_rnn": (
        torchrecurrent.AntisymmetricRNNCell,
        {"epsilon": 0.1, "gamma": 0.01},
    ),
    "cornn": (
        torchrecurrent.coRNNCell,
        {"dt": 0.042, "gamma": 2.7, "epsilon": 4.7},
    ),
    "lem": (torchrecurrent.LEMCell, {}),
    "brc": (torchrecurrent.BRCell, {}),
    "nbrc": (torchrecurrent.NBRCell, {}),
    "star": (torchrecurrent.STARCell, {}),
    "ran": (torchrecurrent.RANCell, {}),
}


def rounded(*shape):
    return torch.round(torch.randn(*shape, dtype=torch.float64), decimals=2)


def outputs(name, cell, x):
    """The output of each step, and the last state, from a state of 0."""
    zeros = torch.zeros(UNITS, dtype=torch.float64)
    two = name in ("janet", "cornn", "lem", "ran")
    state, out = (zeros, zeros) if two else zeros, []
    for row in x:
        after = cell(row, state)
        if name == "lem":
            after = cell(row, (state[0], after[1]))[0], after[1]
        state = after
        out.append((state[0] if two else state).tolist())
    return out, (state[-1] if two else state).tolist()


vectors = {"torchrecurrent": "0.2.5", "units": UNITS}
torch.manual_seed(0)
for name, (make, options) in CELLS.items():
    cell = make(INPUTS, UNITS, dtype=torch.float64, **options)
    parameters = {}
    with torch.no_grad():
        for key, leaf in cell.named_parameters():
            if key in ("bias_hh", "bias_ch"):  # added to bias_ih
                leaf.zero_()
            elif key != "beta":
                leaf.copy_(rounded(*leaf.shape))
                if key == "bias_ih" and name in ("brc", "nbrc"):
                    leaf[2 * UNITS :] = 0
                parameters[key] = leaf.tolist()
        x = rounded(STEPS, INPUTS)
        y, state = outputs(name, cell, x)
    vectors[name] = {"parameters": parameters, "x": x.tolist(), "y": y, "state": state}
pathlib.Path(__file__).with_name("torchrecurrent_vectors.json").write_text(
    json.dumps(vectors)
)
