"""The PyTorch side of `benchmarks.peers`: run by an interpreter that has PyTorch, it imports nothing else of this project.

It reads one JSON object a line, `{"what": name, ...}`, and answers each with `{"seconds": ..., "version": ...}`.
"""

import json
import sys
import time

import torch
from torch import nn

torch.set_num_threads(1)


def population(units: int, samples: int, inputs: int, steps: int, updates: int) -> float:
    """Seconds for `updates` updates of one small network that learns labels by heart, full batch, with Adam."""
    torch.manual_seed(0)
    x = torch.zeros(steps, samples, inputs)
    x[0] = 2.0 * torch.randint(2, (samples, inputs)) - 1
    labels = torch.randint(2, (samples,)).float()
    cell, readout = nn.RNN(inputs, units), nn.Linear(units, 1)
    parameters = [*cell.parameters(), *readout.parameters()]
    optimizer, loss_function = torch.optim.Adam(parameters, lr=3e-3), nn.BCEWithLogitsLoss()

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


def autocomplete(units: int, layers: int, words: int, batch: int, steps: int, updates: int, threads: int) -> float:
    """Seconds for `updates` updates of an LSTM that names the word at every character, with Adam; `updates` 0 is a first one."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    embedding, cell, readout = nn.Embedding(27, units), nn.LSTM(units, units, layers), nn.Linear(units, words)
    parameters = [*embedding.parameters(), *cell.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    source, target = torch.randint(27, (steps, batch)), torch.randint(2, words, (steps, batch))

    def update():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(readout(cell(embedding(source))[0]).flatten(0, 1), target.flatten())
        loss.backward()
        optimizer.step()

    update()
    started = time.perf_counter()
    for _ in range(updates):
        update()
    return time.perf_counter() - started


WHAT = {"population": population, "autocomplete": autocomplete}

if __name__ == "__main__":
    for line in sys.stdin:
        request = json.loads(line)
        seconds = WHAT[request.pop("what")](**request)
        print(json.dumps({"seconds": seconds, "version": torch.__version__}), flush=True)
