"""The PyTorch side of `benchmarks.peers`, run by an interpreter that has PyTorch.

It imports nothing else of this project. It reads one JSON object a line, `{"what":
name, "threads": n, ...}`, and prints one for each: `{"seconds": ..., "threads": n}`,
with the threads that PyTorch says it has.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

LETTERS = 27  # classes of characters: space, a to z
FIRST_WORD = 2  # classes of words begin with padding and unknown words
WARM_UP = 20  # updates of a small network before it is timed
TEST_STEPS = 100  # of the sequence whose output is compared


def population(
    units: int, samples: int, inputs: int, steps: int, updates: int
) -> float:
    """Seconds for `updates` updates of one small network that memorizes labels.

    Full batch, Adam.
    """
    torch.manual_seed(0)
    x = torch.zeros(steps, samples, inputs)
    x[0] = 2.0 * torch.randint(2, (samples, inputs)) - 1
    labels = torch.randint(2, (samples,)).float()
    cell, readout = nn.RNN(inputs, units), nn.Linear(units, 1)
    parameters = [*cell.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    loss_function = nn.BCEWithLogitsLoss()

    def update() -> None:
        optimizer.zero_grad()
        loss = loss_function(readout(cell(x)[0][-1])[:, 0], labels)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return _seconds(update, WARM_UP, updates)


def autocomplete(
    units: int,
    layers: int,
    words: int,
    batch: int,
    steps: int,
    updates: int,
) -> float:
    """Seconds for `updates` updates of an LSTM that names the word at every character.

    Adam; random characters and words.
    """
    torch.manual_seed(0)
    embedding = nn.Embedding(LETTERS, units)
    cell, readout = nn.LSTM(units, units, layers), nn.Linear(units, words)
    parameters = [*embedding.parameters(), *cell.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    source = torch.randint(LETTERS, (steps, batch))
    target = torch.randint(FIRST_WORD, words, (steps, batch)).flatten()

    def update() -> None:
        optimizer.zero_grad()
        logits = readout(cell(embedding(source))[0]).flatten(0, 1)
        loss = nn.functional.cross_entropy(logits, target)
        loss.backward()
        optimizer.step()

    return _seconds(update, 1, updates)


def _seconds(update: Callable[[], None], warm_up: int, updates: int) -> float:
    """Seconds for `updates` updates, after `warm_up` others."""
    for _ in range(warm_up):
        update()
    started = time.perf_counter()
    for _ in range(updates):
        update()
    return time.perf_counter() - started


def pairs(
    cell: str, units: int, inputs: int, steps: int, networks: int, weights: list[float]
) -> dict:
    """Seconds for `networks` pairs of sequences of N(0, 1) inputs, and an output.

    The pairs run one after another, each as a batch of two. `weights` has the matrix of
    the inputs [inputs, G], that of the state [units, G] and the biases [G], one row
    after another. The output is that of the last of 100 steps whose input k at step t
    is sin(t + k).
    """
    gates = {"lstm": 4, "gru": 3}[cell] * units
    parts = torch.tensor(weights).split([inputs * gates, units * gates, gates])
    kernel, recurrent, bias = (part.view(-1, gates) for part in parts)
    run = (_lstm if cell == "lstm" else _gru)(kernel, recurrent, bias[0])
    with torch.no_grad():
        time_steps = torch.arange(float(TEST_STEPS))[:, None]
        waves = torch.sin(time_steps + torch.arange(float(inputs)))
        output = run(waves[:, None].expand(-1, 2, -1))[-1, 0].tolist()
        x = torch.randn(steps, 2, inputs)
        run(x)  # PyTorch prepares a kernel for each shape
        started = time.perf_counter()
        for _ in range(networks):
            run(x)
        return {"seconds": time.perf_counter() - started, "output": output}


def _lstm(
    kernel: torch.Tensor, recurrent: torch.Tensor, bias: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    lstm = nn.LSTM(*kernel.shape[:1], recurrent.shape[0])
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(kernel.T)
        lstm.weight_hh_l0.copy_(recurrent.T)
        lstm.bias_ih_l0.copy_(bias)
        lstm.bias_hh_l0.zero_()
    return lambda x: lstm(x)[0]


def _gru(
    kernel: torch.Tensor, recurrent: torch.Tensor, bias: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """A GRU whose reset gate acts before the product, which `nn.GRU` does not offer.

    The inputs of all steps are projected as one product.
    """
    units = recurrent.shape[0]
    gates = recurrent[:, : 2 * units].contiguous()
    candidate = recurrent[:, 2 * units :].contiguous()

    def run(x: torch.Tensor) -> torch.Tensor:
        h, outputs = torch.zeros(x.shape[1], units), []
        for z in x @ kernel + bias:
            u, r = torch.sigmoid(z[:, : 2 * units] + h @ gates).chunk(2, 1)
            h = u * h + (1 - u) * torch.tanh(z[:, 2 * units :] + (r * h) @ candidate)
            outputs.append(h)
        return torch.stack(outputs)

    return run


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "population": population,
    "autocomplete": autocomplete,
    "pairs": pairs,
}

if __name__ == "__main__":
    for line in sys.stdin:
        request = json.loads(line)
        torch.set_num_threads(request.pop("threads"))
        result = FUNCTIONS[request.pop("what")](**request)
        fields = result if isinstance(result, dict) else {"seconds": result}
        print(json.dumps(fields | {"threads": torch.get_num_threads()}), flush=True)
