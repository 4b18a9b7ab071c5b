"""rnnjax and PyTorch side by side, on the same cores.

    python -m benchmarks.peers --torch_python=/path/to/python

PyTorch runs in its own interpreter, a process for each core, one thread each; rnnjax runs on the same cores. The two take turns,
and each turn gives a ratio. Memory stability takes minutes a turn; PyTorch is timed for fewer steps there, and multiplied.
"""

import contextlib
import functools
import itertools
import json
import math
import os
import statistics
import subprocess
import time

import jax
import numpy as np
import optax
from absl import flags

from benchmarks.common import flags as _flags
from benchmarks.common import runs as _runs
from benchmarks.common import terminal as _terminal
from rnnjax import networks
from rnnjax.autocomplete import experiment as autocomplete
from rnnjax.capacity import training
from rnnjax.cells import cell as cell_lib
from rnnjax.cells import registry
from rnnjax.engine import lanes, unroll
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import experiment as stability
from rnnjax.tasks.parameters import Parameters

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(_flags)
WORKER = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "timing_tools", "torch_worker.py"
)

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
TORCH_STEPS = (
    500  # that a pair is timed for in PyTorch, whose time is proportional to its steps
)

flags.DEFINE_string("torch_python", None, "A Python interpreter that has PyTorch.")
flags.DEFINE_string("rounds", "5", "Turns that each side takes.")
flags.DEFINE_string(
    "what",
    "population,autocomplete,memory_stability",
    "What is compared, a comma list.",
)


class Torch:
    """PyTorch in processes of its own, one a core."""

    def __init__(self, python: str, processes: int):
        self._processes = [
            subprocess.Popen(
                [python, WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(processes)
        ]

    def time(self, what: str, processes: int | None = None, **sizes) -> float:
        """Seconds of `what` in every process at once, or in so many of them: the slowest."""
        return max(answer["seconds"] for answer in self.ask(what, processes, **sizes))

    def ask(self, what: str, processes: int | None = None, **sizes) -> list[dict]:
        """What every process answers, or so many of them."""
        for process in self._processes[:processes]:
            process.stdin.write(json.dumps({"what": what, **sizes}) + "\n")
            process.stdin.flush()
        return [
            json.loads(process.stdout.readline())
            for process in self._processes[:processes]
        ]

    def close(self) -> None:
        for process in self._processes:
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.wait()
            process.stdout.close()


def population(torch: Torch, mesh: Mesh, rounds: int) -> dict[str, list[float]]:
    """Ratios of network-updates a second: 256 small trainings at once, against one after another in every process."""
    sizes = {"units": 8, "samples": 64, "inputs": 24, "steps": 5}
    task = Parameters(
        inputs=sizes["inputs"], steps=sizes["steps"], padded_samples=sizes["samples"]
    )
    network = networks.Network(
        registry.CELLS["rnn_tanh"](hidden_size=sizes["units"]), outputs=1
    )
    experiment = training.Training(
        network, task, 4000, (training.Settings(samples=sizes["samples"]),)
    )
    group = lanes.Group("population", experiment, tuple(range(256)))
    lanes.run_group(group, mesh)
    ratios = []
    for _ in range(rounds):
        started = time.perf_counter()
        lanes.run_group(group, mesh)
        ours = 256 * experiment.updates / (time.perf_counter() - started)
        theirs = (
            len(mesh.devices) * 500 / torch.time("population", updates=500, **sizes)
        )
        ratios.append(ours / theirs)
    return {
        "256 small trainings (rnn, 8 units, 64 samples, 5 steps), updates a second": ratios
    }


def autocomplete_step(torch: Torch, mesh: Mesh, rounds: int) -> dict[str, list[float]]:
    """Ratios of seconds an update of the published LSTM, both with all cores: one network, random characters and words."""
    sizes = {"units": 600, "layers": 2, "words": 16386, "batch": 64, "steps": 200}
    lstm = networks.stack(
        lambda: registry.CELLS["lstm"](hidden_size=sizes["units"]), sizes["layers"]
    )
    network = networks.Network(
        lstm, embedding=(autocomplete.LETTERS, sizes["units"]), outputs=sizes["words"]
    )
    shape, rng, updates = (sizes["batch"], sizes["steps"]), np.random.default_rng(0), 3
    source = rng.integers(1, autocomplete.LETTERS + 1, shape).astype(np.uint8)
    target = rng.integers(2, sizes["words"], shape).astype(np.int32)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def train(variables, moments, target):
        def update(_, state):
            variables, moments = state
            gradient = jax.grad(
                lambda v: autocomplete.loss(
                    network, v, source, target, np.ones(shape, np.float32)
                )
            )(variables)
            direction, moments = optax.scale_by_adam().update(gradient, moments)
            return jax.tree.map(
                lambda v, d: v - 1e-3 * d, variables, direction
            ), moments

        return jax.lax.fori_loop(0, updates, update, (variables, moments))

    variables = jax.jit(lambda key: networks.initialize(network, key))(
        jax.random.key(0)
    )
    state = jax.block_until_ready(
        train(variables, optax.scale_by_adam().init(variables), target)
    )
    ratios = []
    for _ in range(rounds):
        started = time.perf_counter()
        state = jax.block_until_ready(train(*state, target))
        ours = time.perf_counter() - started
        ratios.append(
            torch.time(
                "autocomplete", 1, updates=updates, threads=len(mesh.devices), **sizes
            )
            / ours
        )
    return {
        "autocomplete (lstm, 2 x 600 units, 64 x 200 characters, 16,386 words), an update": ratios
    }


def memory_stability(torch: Torch, mesh: Mesh, rounds: int) -> dict[str, list[float]]:
    """Ratios of seconds for ten pairs of sequences, over the published grid of shapes; nothing is stopped early."""
    steps, ratios = _flags.whole("steps", 2_000), {}
    processes, seeds = len(mesh.devices), 10
    for name in ("lstm", "gru"):
        means, totals = [], []
        for _ in range(rounds):
            ours, theirs = [], []
            for units, inputs in itertools.product(SIZES, SIZES):
                cell = registry.CELLS[name](hidden_size=units)
                experiment = stability.Stability(cell, inputs, steps, full=True)
                (result,) = lanes.run(
                    [lanes.Group("pairs", experiment, tuple(range(seeds)))], mesh
                )
                ours.append(result.timing["run_seconds"])
                sizes = {
                    "cell": name,
                    "units": units,
                    "inputs": inputs,
                    "steps": TORCH_STEPS,
                    "networks": 1,
                }
                theirs.append(
                    _pair_seconds(torch, cell, sizes)
                    * steps
                    / TORCH_STEPS
                    * seeds
                    / processes
                )
            means.append(
                math.exp(
                    statistics.fmean(math.log(b / a) for a, b in zip(ours, theirs))
                )
            )
            totals.append(sum(theirs) / sum(ours))
        what = f"memory stability ({name}, 64 shapes, 10 seeds, {steps:,} steps)"
        ratios |= {
            f"{what}, geometric mean over shapes": means,
            f"{what}, all shapes together": totals,
        }
    return ratios


def _pair_seconds(torch: Torch, cell, sizes: dict) -> float:
    """Seconds of a pair in PyTorch, every core busy with one, after a check that it computes what we compute."""
    variables = cell_lib.initialize(cell, jax.random.key(0), sizes["inputs"])
    parameters = variables["params"]
    kernels = parameters["recurrent"]["kernel"]
    weights = [
        parameters["input"]["kernel"],
        np.concatenate(kernels, axis=1),
        parameters["input"]["bias"],
    ]
    waves = np.sin(np.arange(100.0)[:, None] + np.arange(sizes["inputs"])).astype(
        np.float32
    )
    z = cell.apply(variables, waves, method="project")
    expected = unroll.unroll(
        lambda carry, row: cell.apply(variables, carry, row, method="step"),
        cell.apply(variables, method="initial_carry"),
        z,
    )[1][-1]
    answers = torch.ask(
        "pairs",
        weights=np.concatenate([np.ravel(w) for w in weights]).tolist(),
        **sizes,
    )
    for answer in answers:
        np.testing.assert_allclose(answer["output"], expected, atol=1e-4)
    return max(answer["seconds"] for answer in answers)


COMPARISONS = {
    "population": population,
    "memory_stability": memory_stability,
    "autocomplete": autocomplete_step,
}


def main() -> int:
    _flags.refuse(
        *(
            flag.name
            for flag in FLAGS.flags_by_module_dict()[_flags.__name__]
            if flag.name != "steps"
        )
    )
    _flags.take({"steps": "20000"})
    python = FLAGS.torch_python
    names = _flags.words("what")
    for name in names:
        if name not in COMPARISONS:
            raise _flags.UsageError(
                "what",
                FLAGS.what,
                f"no such comparison {name!r}",
                ", ".join(COMPARISONS),
            )
    if python is None:
        raise _flags.UsageError(
            "torch_python",
            None,
            "no interpreter",
            "the path of a Python that has PyTorch",
        )
    try:
        version = subprocess.run(
            [python, "-c", "import torch; print(torch.__version__)"],
            capture_output=True,
            text=True,
            timeout=120,
        )
    except OSError as error:
        raise _flags.UsageError(
            "torch_python",
            python,
            error.strerror,
            "the path of a Python that has PyTorch",
        ) from None
    if version.returncode:
        raise _flags.UsageError(
            "torch_python",
            python,
            "it cannot import torch",
            "the path of a Python that has PyTorch",
        )
    rounds, mesh = _flags.whole("rounds"), _runs.local_mesh()
    lines = []
    with contextlib.closing(Torch(python, len(mesh.devices))) as torch:
        for name in names:
            for what, ratios in COMPARISONS[name](torch, mesh, rounds).items():
                lines.append(
                    [
                        what,
                        f"{statistics.median(ratios):.2f}",
                        f"{min(ratios):.2f} to {max(ratios):.2f}",
                    ]
                )
    title = f"how many times faster than PyTorch {version.stdout.strip()}: jax {jax.__version__}, {len(mesh.devices)} cores"
    _terminal.table(title, ["what", "median", f"of {rounds} turns"], lines)
    return 0


if __name__ == "__main__":
    _flags.start(main)
