"""Writes tests/torch_vectors.json: outputs of PyTorch's nn.LSTM and nn.GRU in float64.

To be run with an interpreter that has PyTorch:

    python tests/make_torch_vectors.py
"""

import json
import pathlib

import torch

INPUTS, UNITS, STEPS, LAYERS = 3, 4, 6, 2

vectors = {
    "torch": torch.__version__.split("+")[0],
    "inputs": INPUTS,
    "units": UNITS,
    "layers": LAYERS,
}
for name, module in (("lstm", torch.nn.LSTM), ("gru_flax", torch.nn.GRU)):
    torch.manual_seed(0)
    network = module(INPUTS, UNITS, LAYERS, dtype=torch.float64)
    x = torch.randn(STEPS, INPUTS, dtype=torch.float64)
    y, state = network(x)
    state = state if isinstance(state, tuple) else (state,)
    vectors[name] = {
        "parameters": {
            key: value.tolist() for key, value in network.state_dict().items()
        },
        "x": x.tolist(),
        "y": y.tolist(),
        "state": [array.tolist() for array in state],
    }
pathlib.Path(__file__).with_name("torch_vectors.json").write_text(json.dumps(vectors))
