"""All benchmarks by name: an experiment's entry for merge, verify and timing."""

from . import (
    autocomplete,
    capacity,
    memory_stability,
    optimization,
    short_term_memory,
)
from .common.benchmark import Benchmark

BENCHMARKS: dict[str, Benchmark] = {
    "memory_stability": memory_stability.BENCHMARK,
    "capacity": capacity.BENCHMARK,
    "autocomplete": autocomplete.BENCHMARK,
    "short_term_memory": short_term_memory.BENCHMARK,
    "optimization": optimization.BENCHMARK,
}
