"""Counters beside a time: numbers fixed by the program, and the machine's limits."""

import functools
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jaxlib.version

from rnnjax.engine.ahead import Compiled
from rnnjax.results import processor

from ..common import devices
from . import flops
from .jobs import Program

# The same in every run on one machine with one version of JAX. All but the last are
# counted by `fixed`; the last is counted while the program runs.
DETERMINISTIC = (
    "flops",
    "bytes_in_out",
    "temp_bytes",
    "hlo_instructions",
    "compilations",
)
# The same for programs compiled ahead of time; see `ahead`.
AHEAD = (
    "kernels",
    "bytes_written",
    "cycles",
    "unknown_counts",
    "large_writes",
    "memory_bytes",
)
# These do not depend on the processor that the program is compiled for.
PORTABLE = ("flops", "bytes_in_out", "compilations")
MACHINE = ("jax", "jaxlib", "device_kind", "device_count", "cpu", "cores")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.-]+ = ", re.MULTILINE)

MATRIX = 1024  # rows and columns of the product that the peak of FLOP/s is timed with
COPIED = 2**24  # float32 numbers, 64 MB: more than caches hold
REPETITIONS = 10  # of which the fastest counts


def fixed(programs: Sequence[Program]) -> dict[str, int]:
    """Counters that the programs fix, summed over them.

    These are floating-point operations, bytes of arguments and outputs, bytes of
    temporaries, and instructions of the compiled program.
    """
    total = dict.fromkeys(DETERMINISTIC[:-1], 0)
    for program in programs:
        traced = program.function.trace(*program.arguments)
        compiled = traced.lower().compile()
        memory = compiled.memory_analysis()
        operations = flops.count(traced, program.arguments, program.iterations)
        in_out = memory.argument_size_in_bytes + memory.output_size_in_bytes
        total["flops"] += operations.total
        total["bytes_in_out"] += in_out
        total["temp_bytes"] += memory.temp_size_in_bytes
        total["hlo_instructions"] += len(INSTRUCTION.findall(compiled.as_text()))
    return total


def ahead(compiled: Sequence[Compiled]) -> dict[str, int]:
    """`AHEAD` of programs that were compiled for a target, summed over them.

    They are kernels and bytes that they write with all iterations of loops, cycles
    (TPU), loops whose count is not known, writes in loops above `hlo.LARGE` bytes, and
    bytes of a device.
    """
    whole = [one.program.whole for one in compiled]
    loops = [loop for one in compiled for loop in one.program.loops]
    values = (
        sum(work.kernels for work in whole),
        sum(work.written for work in whole),
        sum(work.cycles for work in whole),
        sum(loop.trips is None for loop in loops),
        sum(len(loop.large) for loop in loops),
        sum(one.memory for one in compiled),
    )
    return dict(zip(AHEAD, values, strict=True))


class Peak(NamedTuple):
    """The most that was measured on this machine, a second."""

    flops: float
    bytes: float


@functools.cache
def peak() -> Peak:
    """The peak of FLOP/s, by a product of two matrices, and of bytes/s, by a copy.

    The copy is a negation of an array onto itself, so no time goes into fresh pages.
    """
    square, kept = jnp.ones((MATRIX, MATRIX)), [jnp.ones(COPIED)]
    product, negate = jax.jit(jnp.matmul), jax.jit(jnp.negative, donate_argnums=0)

    def copy() -> list[jax.Array]:
        kept.append(negate(kept.pop()))
        return kept

    operations, copied = 2 * MATRIX**3, 2 * kept[0].nbytes
    seconds = _fastest(lambda: product(square, square))
    return Peak(operations / seconds, copied / _fastest(copy))


def _fastest(function: Callable[[], Any]) -> float:
    """Seconds of the fastest call, after one that may compile."""
    jax.block_until_ready(function())
    seconds = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        jax.block_until_ready(function())
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def machine() -> dict[str, str]:
    """What two runs must have in common for counters and times to be comparable."""
    values = (
        jax.__version__,
        jaxlib.version.__version__,
        jax.devices()[0].device_kind,
        str(jax.device_count()),
        processor.vector_instructions(),
        str(devices.cores()),
    )
    return dict(zip(MACHINE, values))


def key() -> str:
    """The machine as one line."""
    return ", ".join(f"{name} {value}" for name, value in machine().items())
