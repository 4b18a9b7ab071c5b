"""The PyTorch side of `benchmarks.peers`: run by an interpreter that has PyTorch, it imports nothing else of this project.

It reads one JSON object a line, `{"what": name, ...}`, and answers each with `{"seconds": ...}`.
"""

import json
import sys
import time

import torch
from torch import nn

torch.set_num_threads(1)


def population(
    units: int, samples: int, inputs: int, steps: int, updates: int
) -> float:
    """Seconds for `updates` updates of one small network that learns labels by heart, full batch, with Adam."""
    torch.manual_seed(0)
    x = torch.zeros(steps, samples, inputs)
    x[0] = 2.0 * torch.randint(2, (samples, inputs)) - 1
    labels = torch.randint(2, (samples,)).float()
    cell, readout = nn.RNN(inputs, units), nn.Linear(units, 1)
    parameters = [*cell.parameters(), *readout.parameters()]
    optimizer, loss_function = (
        torch.optim.Adam(parameters, lr=3e-3),
        nn.BCEWithLogitsLoss(),
    )

    def update():
        optimizer.zero_grad()
        loss = loss_function(readout(cell(x)[0][-1])[:, 0], labels)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    for _ in range(20):
        update()
    started = time.perf_counter()
    for _ in range(updates):
        update()
    return time.perf_counter() - started


def autocomplete(
    units: int,
    layers: int,
    words: int,
    batch: int,
    steps: int,
    updates: int,
    threads: int,
) -> float:
    """Seconds for `updates` updates of an LSTM that names the word at every character, with Adam; `updates` 0 is a first one."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    embedding, cell, readout = (
        nn.Embedding(27, units),
        nn.LSTM(units, units, layers),
        nn.Linear(units, words),
    )
    parameters = [*embedding.parameters(), *cell.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    source, target = (
        torch.randint(27, (steps, batch)),
        torch.randint(2, words, (steps, batch)),
    )

    def update():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(
            readout(cell(embedding(source))[0]).flatten(0, 1), target.flatten()
        )
        loss.backward()
        optimizer.step()

    update()
    started = time.perf_counter()
    for _ in range(updates):
        update()
    return time.perf_counter() - started


def pairs(
    cell: str, units: int, inputs: int, steps: int, networks: int, weights: list[float]
) -> dict:
    """Seconds for so many pairs of sequences of N(0, 1) inputs, one pair after another, each a batch of two; and an output.

    `weights` are those of the input [inputs, G], of the state [units, G] and the biases [G], one row after another; the output is
    that of the last of 100 steps with all inputs sin(t + k) at step t and input k.
    """
    gates = {"lstm": 4, "gru": 3}[cell] * units
    flat = torch.tensor(weights)
    kernel, recurrent, bias = (
        part.view(-1, gates)
        for part in flat.split([inputs * gates, units * gates, gates])
    )
    run = (_lstm if cell == "lstm" else _gru)(kernel, recurrent, bias[0])
    with torch.no_grad():
        waves = torch.sin(torch.arange(100.0)[:, None] + torch.arange(float(inputs)))
        output = run(waves[:, None].expand(-1, 2, -1))[-1, 0].tolist()
        x = torch.randn(steps, 2, inputs)
        run(x)  # PyTorch prepares a kernel for each shape
        started = time.perf_counter()
        for _ in range(networks):
            run(x)
        return {"seconds": time.perf_counter() - started, "output": output}


def _lstm(kernel, recurrent, bias):
    lstm = nn.LSTM(*kernel.shape[:1], recurrent.shape[0])
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(kernel.T)
        lstm.weight_hh_l0.copy_(recurrent.T)
        lstm.bias_ih_l0.copy_(bias)
        lstm.bias_hh_l0.zero_()
    return lambda x: lstm(x)[0]


def _gru(kernel, recurrent, bias):
    """Reset before the product, which `nn.GRU` does not offer; the inputs of all steps are projected as one product."""
    units = recurrent.shape[0]
    gates, candidate = (
        recurrent[:, : 2 * units].contiguous(),
        recurrent[:, 2 * units :].contiguous(),
    )

    def run(x):
        h, outputs = torch.zeros(x.shape[1], units), []
        for z in x @ kernel + bias:
            u, r = torch.sigmoid(z[:, : 2 * units] + h @ gates).chunk(2, 1)
            h = u * h + (1 - u) * torch.tanh(z[:, 2 * units :] + (r * h) @ candidate)
            outputs.append(h)
        return torch.stack(outputs)

    return run


WHAT = {"population": population, "autocomplete": autocomplete, "pairs": pairs}

if __name__ == "__main__":
    for line in sys.stdin:
        request = json.loads(line)
        answer = WHAT[request.pop("what")](**request)
        print(
            json.dumps(answer if isinstance(answer, dict) else {"seconds": answer}),
            flush=True,
        )
