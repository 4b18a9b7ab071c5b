"""Programs compiled ahead of time, for devices that need not be there.

    mesh = target("v5e:2x2").mesh
    for program in programs(group, mesh):
        loops = compiled(program, "tpu").program.loops

XLA compiles for a TPU or a GPU on a machine that has neither, if the compiler is
installed: `pip install "jax[tpu]"` or `"jax[cuda13]"`.
"""

import dataclasses
import os
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
from jax.experimental import topologies
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import NamedSharding, PartitionSpec

from rnnjax.engine import hlo, lanes
from rnnjax.engine.mesh import AXIS, Mesh


class Chip(NamedTuple):
    """A device: bytes of its memory, bytes a second, and what a kernel costs.

    `launch` is the seconds between two kernels of a loop (GPU), `clock` the cycles a
    second (TPU).
    """

    memory: float
    bandwidth: float
    launch: float | None = None
    clock: float | None = None


# Clocks of TPUs follow from their published peak: multiply-adds a cycle and chip.
TPUS = {
    "v5e": Chip(16 * 2**30, 819e9, clock=1.5e9),
    "v5p": Chip(95 * 2**30, 2765e9, clock=1.75e9),
    "v6e": Chip(32 * 2**30, 1640e9, clock=1.75e9),
}
HOSTS = {"v5e": "2x2", "v5p": "2x2x1", "v6e": "2x2"}  # the least slice of each
GPUS = {
    "h100": Chip(80e9, 3.35e12, launch=1e-6),
    "h200": Chip(141e9, 4.8e12, launch=1e-6),
}
# What XLA asks of a card of compute capability 9.0; the rest is in `GPUS`.
HOPPER = {
    "threads_per_block_limit": 1024,
    "threads_per_warp": 32,
    "shared_memory_per_block": 48 * 1024,
    "shared_memory_per_core": 228 * 1024,
    "shared_memory_per_block_optin": 227 * 1024,
    "threads_per_core_limit": 2048,
    "core_count": 132,
    "fpus_per_core": 128,
    "block_dim_limit_x": 2**31 - 1,
    "block_dim_limit_y": 2**16 - 1,
    "block_dim_limit_z": 2**16 - 1,
    "l2_cache_size": 50 * 2**20,
    "clock_rate_ghz": 1.98,
    "registers_per_core_limit": 65_536,
    "registers_per_block_limit": 65_536,
}
PIP = {"tpu": 'pip install "jax[tpu]"', "cuda": 'pip install "jax[cuda13]"'}
# Or the TPU compiler looks for the machine that it runs on.
TPU_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
ALLOWED = (
    f"{', '.join(GPUS)}, {', '.join(TPUS)} for one chip, or a slice such as v5e:4x4"
)


class NoTarget(Exception):
    """A target that cannot be compiled for: what is wrong, and what is allowed."""

    def __init__(self, problem: str, allowed: str):
        super().__init__(f"{problem}; allowed: {allowed}")
        self.problem, self.allowed = problem, allowed


class OutOfMemory(Exception):
    """A program that the compiler refuses, as it does not fit into the memory."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Devices to compile for: `platform` is "tpu" or "cuda"."""

    name: str
    platform: str
    chip: Chip
    mesh: "Planned"


class Lowerable(NamedTuple):
    """A program of a run, the shapes it is called with and gives, and how many calls
    of it there are.
    """

    name: str
    function: Any
    arguments: tuple[Any, Any]
    outputs: Any
    calls: int


@dataclasses.dataclass(frozen=True)
class Planned(Mesh):
    """A mesh whose programs are kept and not run: its devices need not be there."""

    runs: ClassVar[bool] = False
    calls: list[tuple[Hashable, Lowerable]] = dataclasses.field(
        default_factory=list, compare=False
    )

    def place[T](self, lanes: T) -> T:
        return lanes

    def _map(
        self, function: Callable[..., Any], static: Mapping[str, Any], of_lane: bool
    ) -> Callable:
        program = super()._map(function, static, of_lane)

        def call(*arguments: Any) -> Any:
            lanes, shared = jax.tree.map(_struct, arguments)
            placed = (
                _sharded(lanes, self, PartitionSpec(AXIS)),
                _sharded(shared, self, PartitionSpec()),
            )
            name = function.__name__.strip("_")
            key = (program, str((lanes, shared)))
            result = program(*arguments)
            outputs = jax.tree.map(_struct, result)
            self.calls.append((key, Lowerable(name, program, placed, outputs, 1)))
            return result

        return call


class Compiled(NamedTuple):
    """A compiled program: what it took, bytes of a device, and what it does."""

    name: str
    compile_seconds: float
    memory: int
    program: hlo.Program


def target(name: str) -> Target:
    """The devices that a name such as "h200" or "v5e:2x2" stands for.

    Raises `NoTarget` if there are none of this name, or no compiler for them.
    """
    kind, colon, layout = name.partition(":")
    if kind in TPUS and bool(colon) == bool(layout):
        os.environ.update(
            {k: v for k, v in TPU_ENVIRONMENT.items() if k not in os.environ}
        )
        devices = _devices("tpu", topology_name=f"{kind}:{layout or HOSTS[kind]}")
        chosen = devices if layout else devices[:1]
        return Target(name, "tpu", TPUS[kind], Planned(tuple(chosen), None))
    if name in GPUS:
        devices = _devices(
            "cuda",
            topology_name="1x1x1",
            topology="1x1x1",
            target_config=_card(name),
        )
        return Target(name, "cuda", GPUS[name], Planned(tuple(devices), None))
    raise NoTarget("no such target", ALLOWED)


def _devices(platform: str, **topology: Any) -> list[Any]:
    try:
        return topologies.get_topology_desc(platform=platform, **topology).devices
    except Exception as error:  # of several kinds, by version
        message = str(error)
        if "INVALID_ARGUMENT" in message:
            problem = message.splitlines()[0].removeprefix("INVALID_ARGUMENT: ")
            raise NoTarget(f"refused by the compiler ({problem})", ALLOWED) from None
        problem = f"no compiler for it is installed ({message.splitlines()[0]})"
        raise NoTarget(problem, f"after {PIP[platform]}") from None


def _card(name: str) -> str:
    """A GPU in the words of XLA's compiler."""
    values = HOPPER | {
        "memory_bandwidth": int(GPUS[name].bandwidth),
        "device_memory_size": int(GPUS[name].memory),
    }
    fields = "\n".join(f"  {key}: {value}" for key, value in values.items())
    capability = "  cuda_compute_capability { major: 9 minor: 0 }"
    return (
        f"gpu_device_info {{\n{fields}\n{capability}\n}}\n"
        f'platform_name: "CUDA"\ndnn_version_info {{ major: 9 minor: 8 }}\n'
        f'device_description_str: "NVIDIA {name.upper()}"\n'
    )


def programs(
    group: lanes.Group, mesh: Planned, part: range | None = None
) -> list[Lowerable]:
    """The programs of a group, and how often each is called if no lane stops early.

    The first chunk and the last are traced, and nothing is computed. All chunks but the
    last are taken to be like the first. With `part`, the group has these lanes alone.
    """
    experiment, counts, made = group.experiment, Counter[Hashable](), {}
    part = range(len(group.seeds)) if part is None else part

    def count(times: int) -> None:
        for key, lowerable in mesh.calls:
            counts[key] += times
            made[key] = lowerable
        mesh.calls.clear()

    def run() -> None:
        layout = lanes.lay_out(group, mesh, part)
        state = layout.init(experiment, mesh)
        count(1)
        if experiment.chunks > 1:
            state = experiment.advance(mesh, state, 0)
            count(experiment.chunks - 1)
        experiment.advance(mesh, state, experiment.chunks - 1)
        count(1)

    mesh.calls.clear()
    jax.eval_shape(run)
    return [made[key]._replace(calls=times) for key, times in counts.items()]


def compiled(lowerable: Lowerable, platform: str) -> Compiled:
    """Compiles a program and reads what it does. Raises `OutOfMemory`."""
    cached = jax.config.jax_enable_compilation_cache
    _keep_programs(False)
    started = time.perf_counter()
    traced = lowerable.function.trace(*lowerable.arguments)
    try:
        made = traced.lower(lowering_platforms=(platform,)).compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise OutOfMemory from None
    finally:
        _keep_programs(cached)
    seconds = time.perf_counter() - started
    memory = made.memory_analysis()
    used = (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
    )
    return Compiled(lowerable.name, seconds, used, hlo.read(made.as_text()))


def _keep_programs(wanted: bool) -> None:
    """Whether JAX keeps compiled programs: one of a device that is not there cannot be
    loaded again. JAX asks once a process, unless its cache is reset.
    """
    jax.config.update("jax_enable_compilation_cache", wanted)
    compilation_cache.reset_cache()


def seconds(work: hlo.Work, chip: Chip) -> float:
    """An estimate of the time of `work`.

    On a TPU the compiler's cycles at the chip's clock; on a GPU, a launch a kernel or
    the time to move its bytes through memory, whichever is longer.
    """
    if chip.clock is not None:
        return work.cycles / chip.clock
    assert chip.launch is not None
    moved = (work.read + work.written) / chip.bandwidth
    return max(work.kernels * chip.launch, moved)


def _struct(leaf: Any) -> jax.ShapeDtypeStruct:
    if isinstance(leaf, jax.Array):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
    array = np.asarray(leaf)
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    return jax.ShapeDtypeStruct(array.shape, dtype)


def _sharded(tree: Any, mesh: Planned, spec: PartitionSpec) -> Any:
    sharding = NamedSharding(mesh._mesh, spec)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        tree,
    )
