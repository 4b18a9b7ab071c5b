"""What is timed: every cell alone, and a chunk of every experiment.

A job of an experiment runs exactly the programs that a run of the experiment calls.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import lanes, runner
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.timed import Timed

from ..common.benchmark import Benchmark

SMALL_CELLS = ("rnn_tanh", "gru", "lstm")
SMALL = {"units": 8, "steps": 16, "batch": 4}
USUAL = {"units": 64, "steps": 64, "batch": 16}


@dataclasses.dataclass(frozen=True)
class Program:
    """A jitted function and the arguments it is called with.

    `iterations` is the trip count of loops whose trip count depends on the data.
    """

    function: Any
    arguments: tuple[Any, ...]
    iterations: int | None = None

    def trace(self) -> Any:
        """Traces a fresh wrapper: JAX's caches miss, and all stages are done again."""
        function = self.function.__wrapped__
        return jax.jit(lambda *arguments: function(*arguments)).trace(*self.arguments)


class Calls(NamedTuple):
    """A call returns all of its outputs; `programs` are what it runs."""

    call: Callable[[], Any]
    programs: list[Program]


@dataclasses.dataclass(frozen=True)
class Job:
    """Something to time; `make` prepares it.

    A lane-step is one time step of one lane with its whole batch. A call makes
    `lane_steps` of them; None if their number is not known. `context` is the context
    that the job is made and run in, and `group` makes the lanes of an experiment.
    """

    name: str
    sizes: Mapping[str, int]
    lane_steps: int | None
    make: Callable[[], Calls]
    context: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext
    group: Callable[[], lanes.Group] | None = None

    def title(self, stage: str) -> str:
        """`name/stage/units:8/...`"""
        sizes = [f"{key}:{value}" for key, value in self.sizes.items()]
        return "/".join([self.name, stage, *sizes])


@dataclasses.dataclass(frozen=True)
class Recorder(Mesh):
    """A mesh that keeps each program with the arguments of its last call.

    `calls` has a key `(function, *options)` for each program, with `(program,
    arguments)` as its value.
    """

    calls: dict[tuple[Any, ...], tuple[Any, tuple[Any, ...]]] = dataclasses.field(
        default_factory=dict, init=False, compare=False
    )

    def _map(
        self, function: Callable[..., Any], static: Mapping[str, Any], of_lane: bool
    ) -> Callable[..., Any]:
        program = Mesh(self.devices, self.width)._map(function, static, of_lane)

        def call(*arguments: Any) -> Any:
            self.calls[(function, *sorted(static.items()))] = program, arguments
            return program(*arguments)

        return call


def jobs(mesh: Mesh, benchmarks: Mapping[str, Benchmark]) -> list[Job]:
    """All jobs. Those whose names begin with `smoke/` are small."""
    small = [job for name in SMALL_CELLS for job in cells("smoke/cell", name, **SMALL)]
    usual = [job for name in registry.CELLS for job in cells("cell", name, **USUAL)]
    experiments = []
    for benchmark in benchmarks.values():
        if benchmark.timed is None:
            experiments.append(first_smoke_group(benchmark, mesh))
        else:
            experiments += [chunk(timed, mesh) for timed in benchmark.timed(mesh)]
    return small + usual + experiments


def cells(prefix: str, name: str, units: int, steps: int, batch: int) -> list[Job]:
    """A step of a cell, an unroll, and an unroll with the gradient of its weights.

    There are as many inputs as units.
    """
    network = networks.Network(registry.CELLS[name](hidden_size=units))

    def step(variables, carry, x):
        return network.apply(variables, carry, x)

    def unroll(variables, x):
        z = network.apply(variables, x, method="project")
        return networks.unroll_layers(network, variables, z)

    def unroll_backward(variables, x):
        def loss(variables):
            return jnp.mean(jnp.square(unroll(variables, x)))

        return jax.value_and_grad(loss)(variables)

    def make(function: Callable[..., Any]) -> Calls:
        init = jax.jit(lambda key: networks.initialize(network, key, units))
        variables = init(jax.random.key(0))
        rng = np.random.default_rng(0)
        x = rng.standard_normal((steps, batch, units), np.float32)
        arguments: tuple[Any, ...] = variables, jnp.asarray(x)
        if function is step:
            carry = network.apply(variables, method="initial_carry")
            carry = jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape)), carry
            )
            arguments = variables, carry, jnp.asarray(x[0])
        program = jax.jit(function)
        return Calls(lambda: program(*arguments), [Program(program, arguments)])

    def job(function: Callable[..., Any], lane_steps: int, **sizes: int) -> Job:
        title = f"{prefix}/{name}/{function.__name__}"
        return Job(title, sizes, lane_steps, functools.partial(make, function))

    return [
        job(step, 1, units=units, batch=batch),
        job(unroll, steps, units=units, steps=steps, batch=batch),
        job(unroll_backward, steps, units=units, steps=steps, batch=batch),
    ]


def chunk(timed: Timed, mesh: Mesh) -> Job:
    """A chunk of an experiment."""

    def make() -> Calls:
        return _advance(timed.group(), timed.chunk, timed.iterations, mesh)

    return Job(timed.name, timed.sizes, timed.lane_steps, make, group=timed.group)


def first_smoke_group(benchmark: Benchmark, mesh: Mesh) -> Job:
    """The first chunk of the first group of a benchmark's `--smoke` run.

    Loops whose trip count depends on the data count as one iteration.
    """

    @functools.cache
    def config() -> Any:
        return benchmark.configure({"smoke": True})

    def group() -> lanes.Group:
        part = benchmark.parts(config(), 1)[0]
        found = runner.first_group(part, benchmark.row_id, mesh, {})
        assert found is not None, "a part has lanes"
        return found

    def make() -> Calls:
        return _advance(group(), chunk=0, iterations=1, mesh=mesh)

    def context() -> AbstractContextManager[Any]:
        return benchmark.context(config())

    return Job(f"smoke/{benchmark.name}", {}, None, make, context, group)


def _advance(
    group: lanes.Group, chunk: int, iterations: int | None, mesh: Mesh
) -> Calls:
    """Each call advances the group by this chunk, from the state of the last call."""
    experiment, recorder = group.experiment, Recorder(mesh.devices, mesh.width)
    slots = lanes.lay_out(group, recorder, range(len(group.seeds)))
    state = slots.init(experiment, recorder)
    recorder.calls.clear()

    def call() -> lanes.State:
        nonlocal state
        state = experiment.advance(recorder, state, chunk)
        return state

    call()
    calls = recorder.calls.values()
    return Calls(call, [Program(*program, iterations) for program in calls])
