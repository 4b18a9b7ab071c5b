"""How many times faster is rnnjax than PyTorch, on the same cores?

PyTorch runs in an interpreter of its own, as one process for each core with one thread,
or as one process with a thread for each core where both sides train a single network.
Every comparison has processes of its own, so their order makes no difference. Both
sides are timed alternately, and each round gives a ratio of their speeds. Memory
stability takes minutes a round. PyTorch computes fewer steps of it, and its time is
scaled to all of them.

    python -m benchmarks.peers --torch_python=/path/to/python
"""

import contextlib
import dataclasses
import itertools
import json
import pathlib
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from rnnjax import networks
from rnnjax.autocomplete import data, model
from rnnjax.autocomplete.experiment import UPDATES_PER_CHUNK, Autocomplete
from rnnjax.cells import cell as cell_lib
from rnnjax.cells import registry
from rnnjax.engine import lanes, unroll
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability.experiment import Point, Stability
from rnnjax.results import processor
from rnnjax.results.tables import Table
from rnnjax.settings import setting
from rnnjax.tasks.parameters import Parameters
from rnnjax.text import vocabulary, windows
from rnnjax.training import training

from .common import command, devices, errors, terminal

WORKER = pathlib.Path(__file__).parent / "timing_tools" / "torch_worker.py"
ALLOWED = "the path of a Python that has PyTorch"
IMPORT_SECONDS = 120  # that importing PyTorch may take

COMPARED = ("population", "memory_stability", "autocomplete")

# Of memory stability: the published grid, as many pairs of sequences for each shape.
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
SEEDS = 10
MIN_STEPS = 2_000  # more than the first, unshared ones
TORCH_STEPS = 500  # of a pair in PyTorch, whose time is proportional to its steps

# Of the population: small trainings, and the updates of each.
POPULATION = {"units": 8, "samples": 64, "inputs": 24, "steps": 5}
TRAININGS = 256
TRAINING_UPDATES = 4000
TORCH_TRAINING_UPDATES = 500

# Of autocomplete: the published network and batch.
ARTICLE = {"units": 600, "layers": 2, "words": 16_386, "batch": 64, "steps": 200}
ARTICLE_BATCHES = 40  # that the random text has, and a few more
WORD_LETTERS = 4  # with its space, 5 characters: words fill a window of 200
TORCH_ARTICLE_UPDATES = 3


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of the binary."""

    torch_python: str | None = setting(
        None, "A Python interpreter that has PyTorch; must be given."
    )
    what: tuple[str, ...] = setting(COMPARED, "What is compared.", choices=COMPARED)
    rounds: int = setting(5, "Times that each side is timed.")
    steps: int = setting(
        20_000, "Time steps of a sequence of memory stability.", low=MIN_STEPS
    )


class Torch:
    """PyTorch in processes of its own, one for each core."""

    def __init__(self, python: str, processes: int):
        self._processes = [
            subprocess.Popen(
                [python, str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(processes)
        ]

    def time(self, what: str, threads: int = 1, **sizes: Any) -> float:
        """Seconds of `what` in the slowest process; see `run`."""
        return max(result["seconds"] for result in self.run(what, threads, **sizes))

    def run(self, what: str, threads: int = 1, **sizes: Any) -> list[dict[str, Any]]:
        """The results of as many processes as have a core for each of their threads.

        They run at once. Raises RuntimeError if PyTorch ran with other threads.
        """
        running = self._processes[: len(self._processes) // threads]
        request = {"what": what, "threads": threads, **sizes}
        for process in running:
            assert process.stdin is not None
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        results = []
        for process in running:
            assert process.stdout is not None
            results.append(json.loads(process.stdout.readline()))
        used = {result["threads"] for result in results}
        if used != {threads}:
            raise RuntimeError(f"PyTorch ran with {used} threads, not {threads}")
        return results

    def close(self) -> None:
        for process in self._processes:
            assert process.stdin is not None and process.stdout is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            process.wait()
            process.stdout.close()


Ratios = dict[str, list[float]]  # what is compared: a ratio for each round


def population(torch: Torch, mesh: Mesh, options: Options) -> Ratios:
    """Updates of small networks a second, of all networks together.

    rnnjax trains all networks at once; each PyTorch process trains one after another.
    """
    sizes = POPULATION
    task = Parameters(
        inputs=sizes["inputs"], steps=sizes["steps"], padded_samples=sizes["samples"]
    )
    cell = registry.CELLS["rnn_tanh"](hidden_size=sizes["units"])
    network = networks.Network(cell, outputs=1)
    values = training.Hyperparameters(samples=sizes["samples"])
    experiment = training.Training(network, task, TRAINING_UPDATES, (values,))
    group = lanes.Group("population", experiment, tuple(range(TRAININGS)))
    lanes.run_group(group, mesh)  # compiles
    ratios = []
    for _ in range(options.rounds):
        started = time.perf_counter()
        lanes.run_group(group, mesh)
        seconds = time.perf_counter() - started
        ours = TRAININGS * TRAINING_UPDATES / seconds
        updates = TORCH_TRAINING_UPDATES
        torch_seconds = torch.time("population", updates=updates, **sizes)
        theirs = len(mesh.devices) * updates / torch_seconds
        ratios.append(ours / theirs)
    name = (
        f"{TRAININGS} small trainings (rnn, {sizes['units']} units, {sizes['samples']} "
        f"samples, {sizes['steps']} steps), updates a second"
    )
    return {name: ratios}


def autocomplete(torch: Torch, mesh: Mesh, options: Options) -> Ratios:
    """Seconds of an update of the published LSTM, one network on all cores.

    What is timed is a chunk of the experiment, on a random text.
    """
    sizes = ARTICLE
    dataset = _random_dataset(sizes["words"], sizes["steps"], sizes["batch"])
    shape = sizes["layers"], sizes["units"], dataset.classes
    network = model.build(registry.CELLS["lstm"], *shape)
    rounds, batch = options.rounds, sizes["batch"]
    # Chunks 0 to `rounds` are run. There is one more, as the last is evaluated.
    updates = (rounds + 2) * UPDATES_PER_CHUNK
    experiment = Autocomplete(network, dataset, updates, batch, num_evals=1)
    layout = lanes.lay_out(lanes.Group("article", experiment, (0,)), mesh, range(1))
    state = layout.init(experiment, mesh)
    state = jax.block_until_ready(experiment.advance(mesh, state, 0))  # compiles
    ratios = []
    for chunk in range(1, rounds + 1):
        started = time.perf_counter()
        state = jax.block_until_ready(experiment.advance(mesh, state, chunk))
        ours = (time.perf_counter() - started) / UPDATES_PER_CHUNK
        updates, threads = TORCH_ARTICLE_UPDATES, len(mesh.devices)
        torch_sizes = sizes | {"updates": updates}
        seconds = torch.time("autocomplete", threads, **torch_sizes)
        ratios.append(seconds / updates / ours)
    name = (
        f"autocomplete (lstm, {sizes['layers']} x {sizes['units']} units, {batch} x "
        f"{sizes['steps']} characters, {sizes['words']:,} words), an update"
    )
    return {name: ratios}


def _random_dataset(classes: int, steps: int, batch: int) -> data.Dataset:
    """A random text in which each of the words occurs about equally often.

    Words are different and have `WORD_LETTERS` letters.
    """
    rng = np.random.default_rng(0)
    count = classes - vocabulary.FIRST_WORD
    spellings = rng.choice(26**WORD_LETTERS, count, replace=False)
    digits = 26 ** np.arange(WORD_LETTERS)
    letters = 1 + spellings[:, None] // digits % 26
    words = np.pad(letters, ((0, 0), (0, 1))).astype(np.uint8)  # with a space
    length = max(count, ARTICLE_BATCHES * batch * steps // (WORD_LETTERS + 1))
    order = rng.permutation(np.arange(length) % count)
    return data.make_dataset(windows.build(words[order].ravel()[:-1], steps))


def memory_stability(torch: Torch, mesh: Mesh, options: Options) -> Ratios:
    """Seconds for all pairs of sequences of each number of units; none ends early.

    Here the pairs of all input sizes advance together, as in a run.
    """
    steps, ratios = options.steps, {}
    # PyTorch runs a pair in each process at once, and all pairs one after another.
    scale = steps / TORCH_STEPS * SEEDS / len(mesh.devices)
    for name in ("lstm", "gru"):
        means, totals = [], []
        for _ in range(options.rounds):
            ours, theirs = [], []
            for units in SIZES:
                ours.append(_run_seconds(mesh, name, units, steps))
                pairs = (_pair_seconds(torch, name, units, inputs) for inputs in SIZES)
                theirs.append(scale * sum(pairs))
            by_units = (b / a for a, b in zip(ours, theirs))
            means.append(statistics.geometric_mean(by_units))
            totals.append(sum(theirs) / sum(ours))
        grid = f"{len(SIZES) ** 2} shapes, {SEEDS} seeds, {steps:,} steps"
        what = f"memory stability ({name}, {grid})"
        ratios[f"{what}, geometric mean over units"] = means
        ratios[f"{what}, all shapes together"] = totals
    return ratios


def _run_seconds(mesh: Mesh, name: str, units: int, steps: int) -> float:
    """Seconds of the pairs of all input sizes and seeds, without compiling."""
    points, seeds = zip(*itertools.product(map(Point, SIZES), range(SEEDS)))
    cell = registry.CELLS[name](hidden_size=units)
    experiment = Stability(cell, points, steps, full=True)
    group = lanes.Group("pairs", experiment, seeds)
    return lanes.run_group(group, mesh).timing["run_seconds"]


def _pair_seconds(torch: Torch, name: str, units: int, inputs: int) -> float:
    """Seconds of a pair in PyTorch, while every process runs one.

    Raises AssertionError if PyTorch and rnnjax give different outputs for equal weights
    and inputs.
    """
    cell = registry.CELLS[name](hidden_size=units)
    variables = cell_lib.initialize(cell, jax.random.key(0), inputs)
    parameters = variables["params"]
    weights = [
        parameters["input"]["kernel"],
        np.concatenate(parameters["recurrent"]["kernel"], axis=1),
        parameters["input"]["bias"],
    ]
    waves = np.sin(np.arange(100.0)[:, None] + np.arange(inputs)).astype(np.float32)
    z = cell.apply(variables, waves, method="project")

    def step(carry: Any, z: Any) -> Any:
        return cell.apply(variables, carry, z, method="step")

    carry = cell.apply(variables, method="initial_carry")
    expected = unroll.unroll(step, carry, z)[1][-1]
    results = torch.run(
        "pairs",
        cell=name,
        units=units,
        inputs=inputs,
        steps=TORCH_STEPS,
        networks=1,
        weights=np.concatenate([np.ravel(w) for w in weights]).tolist(),
    )
    for result in results:
        np.testing.assert_allclose(result["output"], expected, atol=1e-4)
    return max(result["seconds"] for result in results)


COMPARISONS: Mapping[str, Callable[[Torch, Mesh, Options], Ratios]] = {
    "population": population,
    "memory_stability": memory_stability,
    "autocomplete": autocomplete,
}


def _torch_version(python: str | None) -> str:
    """The version of the interpreter's PyTorch. Raises UsageError if it has none."""
    if python is None:
        raise errors.UsageError("torch_python", None, "no interpreter", ALLOWED)
    program = "import torch; print(torch.__version__)"
    try:
        result = subprocess.run(
            [python, "-c", program],
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
        )
    except OSError as error:
        problem = error.strerror or str(error)
        raise errors.UsageError("torch_python", python, problem, ALLOWED) from None
    if result.returncode:
        problem = "it cannot import torch"
        raise errors.UsageError("torch_python", python, problem, ALLOWED)
    return result.stdout.strip()


def run(given: dict[str, Any]) -> None:
    """Times both sides, and prints a table of the ratios."""
    options = Options(**given)
    version, mesh = _torch_version(options.torch_python), devices.local_mesh()
    lines = []
    for name in options.what:
        torch = Torch(str(options.torch_python), len(mesh.devices))
        with contextlib.closing(torch):
            compared = COMPARISONS[name](torch, mesh, options)
        for what, ratios in compared.items():
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            lines.append([what, f"{statistics.median(ratios):.2f}", spread])
    title = (
        f"how many times faster than PyTorch {version}: jax {jax.__version__}, "
        f"{len(mesh.devices)} cores of {processor.model()}"
    )
    columns = ("what", "median", f"of {options.rounds} rounds")
    terminal.table(Table(title, columns, lines))


COMMAND = command.Command("peers", __doc__ or "", {"Flags": Options}, run)

if __name__ == "__main__":
    command.start(COMMAND)
