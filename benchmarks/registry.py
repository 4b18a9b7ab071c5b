"""All benchmarks by name: an experiment's entry for merge, verify and timing."""

from . import autocomplete, capacity, memory_stability
from .common.benchmark import Benchmark

BENCHMARKS: dict[str, Benchmark] = {
    "memory_stability": memory_stability.BENCHMARK,
    "capacity": capacity.BENCHMARK,
    "autocomplete": autocomplete.BENCHMARK,
}
