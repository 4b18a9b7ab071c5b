"""What is timed: every cell by itself, and a chunk of each experiment, as the programs that a run of it calls.

A lane-step is one time step of one lane, with all of its batch.
"""

import dataclasses
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import networks
from rnnjax.autocomplete import experiment as autocomplete
from rnnjax.autocomplete import softmax
from rnnjax.capacity import training
from rnnjax.cells import registry
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import experiment as stability
from rnnjax.memory_stability.pair import CHUNK
from rnnjax.tasks.parameters import Parameters
from rnnjax.text import windows


@dataclasses.dataclass(frozen=True)
class Program:
    """A jitted function, and what a turn calls it with; `turns` is how often a loop runs that only the data decide about."""

    function: Callable
    arguments: tuple
    turns: int | None = None

    def trace(self):
        """The function traced as if it were another one, so that nothing of it is known: all that is done from here on is new."""
        function = self.function.__wrapped__
        return jax.jit(lambda *arguments: function(*arguments)).trace(*self.arguments)


@dataclasses.dataclass(frozen=True)
class Job:
    """`make()` gives what a turn does, and the programs that it calls. A turn returns all of its outputs."""

    name: str
    sizes: dict[str, int]
    lane_steps: int
    make: Callable[[], tuple[Callable, list[Program]]]

    def title(self, stage: str) -> str:
        """`name/stage/units:8/...`"""
        return "/".join(
            [self.name, stage, *(f"{key}:{value}" for key, value in self.sizes.items())]
        )


class Recorder(Mesh):
    """A mesh that keeps each program and what it was last called with."""

    def __init__(self, mesh: Mesh):
        super().__init__(mesh.devices, mesh.width)
        object.__setattr__(self, "calls", {})

    def map_lanes(self, function: Callable, **static) -> Callable:
        key = (function, *sorted(static.items()))
        program = (
            self.calls[key][0]
            if key in self.calls
            else super().map_lanes(function, **static)
        )

        def call(*arguments):
            self.calls[key] = program, arguments
            return program(*arguments)

        return call


def jobs(mesh: Mesh) -> list[Job]:
    """All of them; those whose names begin with `smoke` are small, and are of every kind."""
    small, large = (
        {"units": 8, "steps": 16, "batch": 4},
        {"units": 64, "steps": 64, "batch": 16},
    )
    return [
        *(
            job
            for cell in ("rnn_tanh", "gru", "lstm")
            for job in cells("smoke/cell", cell, **small)
        ),
        memory_stability("smoke/memory_stability", mesh, "gru", units=8, inputs=2),
        capacity("smoke/capacity", mesh, "rnn_tanh", units=8, samples=64, steps=5),
        update(
            "smoke/autocomplete", mesh, "gru", units=16, words=50, width=30, batch=8
        ),
        *(job for cell in registry.CELLS for job in cells("cell", cell, **large)),
        *(
            memory_stability("memory_stability", mesh, cell, units=64, inputs=16)
            for cell in ("gru", "lstm")
        ),
        *(
            capacity("capacity", mesh, cell, units=16, samples=256, steps=5)
            for cell in ("rnn_tanh", "gru", "lstm")
        ),
        *(
            update("autocomplete", mesh, cell, units=64, words=1000, width=64, batch=32)
            for cell in ("gru", "lstm")
        ),
    ]


def cells(family: str, name: str, units: int, steps: int, batch: int) -> list[Job]:
    """One step, an unroll, and an unroll with the gradient of its weights; there are as many inputs as units."""
    network = networks.Network(registry.CELLS[name](hidden_size=units))

    def step(variables, carry, x):
        return network.apply(variables, carry, x)

    def unroll(variables, x):
        return networks.outputs(
            network, variables, network.apply(variables, x, method="project")
        )

    def unroll_backward(variables, x):
        return jax.value_and_grad(lambda v: jnp.mean(jnp.square(unroll(v, x))))(
            variables
        )

    def make(function):
        variables = jax.jit(lambda key: networks.initialize(network, key, units))(
            jax.random.key(0)
        )
        x = np.random.default_rng(0).standard_normal((steps, batch, units), np.float32)
        if function is step:
            carry = network.apply(variables, method="initial_carry")
            arguments = (
                variables,
                jax.tree.map(
                    lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape)), carry
                ),
                jnp.asarray(x[0]),
            )
        else:
            arguments = variables, jnp.asarray(x)
        program = jax.jit(function)
        return lambda: program(*arguments), [Program(program, arguments)]

    sizes = {"units": units, "steps": steps, "batch": batch}
    return [
        Job(
            f"{family}/{name}/step",
            {"units": units, "batch": batch},
            1,
            functools.partial(make, step),
        ),
        Job(f"{family}/{name}/unroll", sizes, steps, functools.partial(make, unroll)),
        Job(
            f"{family}/{name}/unroll_backward",
            sizes,
            steps,
            functools.partial(make, unroll_backward),
        ),
    ]


def memory_stability(
    family: str, mesh: Mesh, cell: str, units: int, inputs: int
) -> Job:
    """A chunk of shared steps, past those of the exponent."""
    count = mesh.lanes_for(2)
    experiment = stability.Stability(
        registry.CELLS[cell](hidden_size=units), inputs, full=True
    )
    sizes = {"units": units, "inputs": inputs, "steps": CHUNK, "lanes": count}
    return _chunks(
        f"{family}/{cell}",
        sizes,
        count * CHUNK,
        experiment,
        mesh,
        experiment.unique_chunks + 10,
    )


def capacity(
    family: str, mesh: Mesh, cell: str, units: int, samples: int, steps: int
) -> Job:
    """A chunk of updates of a population that learns labels by heart."""
    count = mesh.lanes_for(4)
    network = networks.Network(registry.CELLS[cell](hidden_size=units), outputs=1)
    task = Parameters(steps=steps, padded_samples=samples)
    experiment = training.Training(
        network, task, 10**6, (training.Settings(samples=samples),)
    )
    sizes = {
        "units": units,
        "samples": samples,
        "steps": steps,
        "lanes": count,
        "updates": training.UPDATES,
    }
    return _chunks(
        f"{family}/{cell}", sizes, count * training.UPDATES * steps, experiment, mesh, 1
    )


def update(
    family: str,
    mesh: Mesh,
    cell: str,
    units: int,
    words: int,
    width: int,
    batch: int,
) -> Job:
    """A chunk of updates of the network that names words, on a text of random words."""
    count = mesh.lanes_for(1)

    def experiment():
        text = _text(words, width, batch)
        network = networks.Network(
            registry.CELLS[cell](hidden_size=units),
            embedding=(autocomplete.LETTERS, units),
            outputs=text.vocabulary.classes,
        )
        return autocomplete.Autocomplete(network, text, 10**6, batch, points=1)

    sizes = {
        "units": units,
        "words": words,
        "steps": width,
        "batch": batch,
        "lanes": count,
        "updates": autocomplete.UPDATES,
    }
    turns = math.ceil(batch * width / softmax.CHUNK)
    return _chunks(
        f"{family}/{cell}",
        sizes,
        count * autocomplete.UPDATES * width,
        experiment,
        mesh,
        1,
        turns,
    )


@functools.lru_cache(maxsize=4)
def _text(words: int, width: int, batch: int) -> windows.Windows:
    rng = np.random.default_rng(0)
    known = [rng.integers(1, 27, 2 + k % 7).astype(np.uint8) for k in range(words)]
    drawn = [
        np.append(known[k], np.uint8(0))
        for k in rng.permutation(np.arange(40 * batch * width // 5) % words)
    ]
    return windows.build(np.concatenate(drawn)[:-1], width)


def _chunks(
    name: str,
    sizes: dict,
    lane_steps: int,
    experiment,
    mesh: Mesh,
    chunk: int,
    turns: int | None = None,
) -> Job:
    """The same chunk again and again, from the state that the one before it left; every lane goes on."""

    def make():
        asked = experiment() if callable(experiment) else experiment
        recorder = Recorder(mesh)
        count = sizes["lanes"]
        seeds = np.arange(count, dtype=np.uint32)
        state = asked.init(recorder, seeds, np.ones(count, bool), np.arange(count))
        recorder.calls.clear()

        def turn():
            nonlocal state
            state = asked.advance(recorder, state, chunk)
            return state

        turn()
        return turn, [
            Program(function, arguments, turns)
            for function, arguments in recorder.calls.values()
        ]

    return Job(name, sizes, lane_steps, make)
