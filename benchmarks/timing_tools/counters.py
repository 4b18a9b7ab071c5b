"""What stands beside a time: numbers that a program fixes, how often JAX compiled, and what the machine can do at most."""

import functools
import re
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jaxlib
from jax import monitoring

from benchmarks.common import devices, processor
from benchmarks.timing_tools import flops as _flops
from benchmarks.timing_tools import jobs as _jobs

DETERMINISTIC = (
    "flops",
    "bytes_in_out",
    "temp_bytes",
    "hlo_instructions",
    "compilations",
)
MACHINE = ("jax", "jaxlib", "device_kind", "device_count", "cpu", "cores")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.-]+ = ", re.MULTILINE)
COMPILED = [0]


def _count_compilation(event: str, seconds: float, **_) -> None:
    COMPILED[0] += event.endswith("/backend_compile_duration")


monitoring.register_event_duration_secs_listener(_count_compilation)


def fixed(programs: list[_jobs.Program]) -> dict[str, int]:
    """Sums over the programs: floating-point operations, bytes of arguments and outputs, bytes of temporaries, instructions."""
    total = dict.fromkeys(DETERMINISTIC[:-1], 0)
    for program in programs:
        traced = program.function.trace(*program.arguments)
        compiled = traced.lower().compile()
        memory = compiled.memory_analysis()
        total["flops"] += _flops.count(traced, program.arguments, program.turns).total
        total["bytes_in_out"] += (
            memory.argument_size_in_bytes + memory.output_size_in_bytes
        )
        total["temp_bytes"] += memory.temp_size_in_bytes
        total["hlo_instructions"] += len(INSTRUCTION.findall(compiled.as_text()))
    return total


class Peak(NamedTuple):
    """The most that was seen of this machine: floating-point operations and bytes a second."""

    flops: float
    bytes: float


@functools.cache
def peak() -> Peak:
    """A product of two matrices [1024, 1024]; a copy of 64 MB onto itself, negated, which spends no time on fresh pages."""
    square, long = jnp.ones((1024, 1024)), [jnp.ones(2**24)]
    product, negate = jax.jit(jnp.matmul), jax.jit(jnp.negative, donate_argnums=0)

    def copy():
        long.append(negate(long.pop()))
        return long

    return Peak(
        2 * 1024**3 / _fastest(lambda: product(square, square)),
        2 * long[0].nbytes / _fastest(copy),
    )


def _fastest(function: Callable, times: int = 10) -> float:
    jax.block_until_ready(function())
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        jax.block_until_ready(function())
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def machine() -> dict[str, str]:
    """What two runs must have in common for their counters and times to mean the same."""
    versions, device = (jax.__version__, jaxlib.__version__), jax.devices()[0]
    values = (
        *versions,
        device.device_kind,
        str(jax.device_count()),
        processor.vector_instructions(),
        str(devices.cores()),
    )
    return dict(zip(MACHINE, values))


def key() -> str:
    """The machine as one line."""
    return ", ".join(f"{name} {value}" for name, value in machine().items())
