"""rnnjax and PyTorch side by side, on the same cores.

    python -m benchmarks.peers --torch_python=/path/to/python

PyTorch runs in its own interpreter, a process for each core, one thread each; rnnjax runs on the same cores. The two take turns,
and each turn gives a ratio.
"""

import contextlib
import functools
import json
import os
import subprocess
import time

import jax
import numpy as np
import optax
from absl import flags

from benchmarks import _flags, _runs, _terminal
from rnnjax import autocomplete, lanes, networks, training
from rnnjax.cells import registry
from rnnjax.tasks.parameters import Parameters

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(_flags)
WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_torch_worker.py")

flags.DEFINE_string("torch_python", None, "A Python interpreter that has PyTorch.")
flags.DEFINE_string("rounds", "5", "Turns that each side takes.")


class Torch:
    """PyTorch in processes of its own, one a core."""

    def __init__(self, python: str, processes: int):
        self._processes = [
            subprocess.Popen([python, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
        ]

    def time(self, what: str, processes: int | None = None, **sizes) -> float:
        """Seconds of `what` in every process at once, or in so many of them: the slowest."""
        for process in self._processes[:processes]:
            process.stdin.write(json.dumps({"what": what, **sizes}) + "\n")
            process.stdin.flush()
        return max(json.loads(process.stdout.readline())["seconds"] for process in self._processes[:processes])

    def close(self) -> None:
        for process in self._processes:
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.wait()
            process.stdout.close()


def population(torch: Torch, mesh: lanes.Mesh, rounds: int) -> list[float]:
    """Ratios of network-updates a second: 256 small trainings at once, against one after another in every process."""
    sizes = {"units": 8, "samples": 64, "inputs": 24, "steps": 5}
    task = Parameters(inputs=sizes["inputs"], steps=sizes["steps"], rows=sizes["samples"])
    network = networks.Network(registry.CELLS["rnn_tanh"](hidden_size=sizes["units"]), outputs=1)
    experiment = training.Training(network, task, 4000, (training.Settings(samples=sizes["samples"]),))
    group = lanes.Group("population", experiment, tuple(range(256)))
    lanes.run_group(group, mesh)
    ratios = []
    for _ in range(rounds):
        started = time.perf_counter()
        lanes.run_group(group, mesh)
        ours = 256 * experiment.updates / (time.perf_counter() - started)
        theirs = len(mesh.devices) * 500 / torch.time("population", updates=500, **sizes)
        ratios.append(ours / theirs)
    return ratios


def autocomplete_step(torch: Torch, mesh: lanes.Mesh, rounds: int) -> list[float]:
    """Ratios of seconds an update of the published LSTM, both with all cores: one network, random characters and words."""
    sizes = {"units": 600, "layers": 2, "words": 16386, "batch": 64, "steps": 200}
    lstm = networks.stack(lambda: registry.CELLS["lstm"](hidden_size=sizes["units"]), sizes["layers"])
    network = networks.Network(lstm, embedding=(autocomplete.LETTERS, sizes["units"]), outputs=sizes["words"])
    shape, rng = (sizes["batch"], sizes["steps"]), np.random.default_rng(0)
    source = rng.integers(1, autocomplete.LETTERS + 1, shape).astype(np.uint8)
    target = rng.integers(2, sizes["words"], shape).astype(np.int32)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def update(variables, moments, target):
        gradient = jax.grad(lambda v: autocomplete.loss(network, v, source, target, np.ones(shape, np.float32)))(variables)
        direction, moments = optax.scale_by_adam().update(gradient, moments)
        return jax.tree.map(lambda v, d: v - 1e-3 * d, variables, direction), moments

    variables = jax.jit(lambda key: networks.initialize(network, key))(jax.random.key(0))
    state = jax.block_until_ready(update(variables, optax.scale_by_adam().init(variables), target))
    ratios = []
    for _ in range(rounds):
        started = time.perf_counter()
        state = jax.block_until_ready(update(*state, target))
        ours = time.perf_counter() - started
        ratios.append(torch.time("autocomplete", 1, updates=1, threads=len(mesh.devices), **sizes) / ours)
    return ratios


COMPARISONS = {
    "256 small trainings (rnn, 8 units, 64 samples, 5 steps), updates a second": population,
    "autocomplete (lstm, 2 x 600 units, 64 x 200 characters, 16,386 words), one update": autocomplete_step,
}


def main() -> int:
    _flags.refuse(*(flag.name for flag in FLAGS.flags_by_module_dict()[_flags.__name__]))
    python = FLAGS.torch_python
    if python is None:
        raise _flags.UsageError("torch_python", None, "no interpreter", "the path of a Python that has PyTorch")
    try:
        version = subprocess.run(
            [python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, timeout=120
        )
    except OSError as error:
        raise _flags.UsageError("torch_python", python, error.strerror, "the path of a Python that has PyTorch") from None
    if version.returncode:
        raise _flags.UsageError("torch_python", python, "it cannot import torch", "the path of a Python that has PyTorch")
    rounds, mesh = _flags.whole("rounds"), _runs.local_mesh()
    lines = []
    with contextlib.closing(Torch(python, len(mesh.devices))) as torch:
        for name, compare in COMPARISONS.items():
            ratios = sorted(compare(torch, mesh, rounds))
            lines.append([name, f"{ratios[len(ratios) // 2]:.1f}", f"{ratios[0]:.1f} to {ratios[-1]:.1f}"])
    title = f"how many times faster than PyTorch {version.stdout.strip()}: jax {jax.__version__}, {len(mesh.devices)} cores"
    _terminal.table(title, ["what", "median", f"of {rounds} turns"], lines)
    return 0


if __name__ == "__main__":
    _flags.start(main)
