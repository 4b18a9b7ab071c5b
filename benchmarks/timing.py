"""How long every cell and every experiment takes to trace, lower, compile and run.

The flags and the JSON are those of Google Benchmark. The time of a run includes all
outputs of the call. Without --benchmark_filter, everything is timed.

    python -m benchmarks.timing --benchmark_filter=smoke --benchmark_out=new.json
"""

import dataclasses
import functools
import json
import pathlib
import re
import time
from collections.abc import Callable
from typing import Any

import google_benchmark
import jax

from rnnjax import settings
from rnnjax.engine import ahead, compilations
from rnnjax.engine.mesh import Mesh
from rnnjax.settings import setting

from . import registry
from .common import command, devices, errors, terminal
from .common import target as target_lib
from .timing_tools import counters, targets
from .timing_tools import jobs as jobs_lib

BASELINE = pathlib.Path(__file__).parent / "timing_tools" / "baseline.json"
SMOKE = "smoke/"
STAGES = ("run", "trace", "lower", "compile")
WARM_UP = 2  # calls: the first compiles, the second may find another layout of inputs
FORMATS = ("console", "json", "csv")
MIN_TIME = re.compile(r"[1-9]\d{0,8}x|\d+(\.\d*)?s")


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags. Those that begin with `benchmark_` are Google Benchmark's."""

    benchmark_list_tests: bool = setting(False, "Print all names, and stop.")
    benchmark_filter: str = setting(
        "", "Only names with a match of this regular expression; after -, the others."
    )
    benchmark_min_time: str = setting(
        "0.1s", "Minimum time of a measurement, 0.5s, or its number of iterations, 10x."
    )
    benchmark_min_warmup_time: float = setting(
        0.0, "Seconds of iterations before the measured ones.", low=0
    )
    benchmark_repetitions: int = setting(1, "Number of measurements.", high=10**6)
    benchmark_dry_run: bool = setting(False, "One iteration of each.")
    benchmark_enable_random_interleaving: bool | None = setting(
        None, "Measure in random order. Default: if there are several repetitions."
    )
    benchmark_report_aggregates_only: bool = setting(
        False, "Report only means, medians and deviations of repetitions."
    )
    benchmark_display_aggregates_only: bool = setting(
        False, "Print only these; --benchmark_out has everything."
    )
    benchmark_format: str = setting("console", "What is printed.", choices=FORMATS)
    benchmark_out: str = setting("", "A file for the results.")
    benchmark_out_format: str = setting("json", "Format of that file.", choices=FORMATS)
    benchmark_color: str = setting(
        "auto", "Colors on the terminal.", choices=("auto", "true", "false")
    )
    benchmark_counters_tabular: bool = setting(False, "Print counters as a table.")
    benchmark_context: str = setting("", "key=value,... to be kept with the results.")
    benchmark_time_unit: str = setting(
        "us", "Unit of times.", choices=("ns", "us", "ms", "s")
    )
    update_baseline: bool = setting(
        False,
        "Write this machine's counters of the smoke entries to "
        "benchmarks/timing_tools/baseline.json, or with --target to targets.json, "
        "and stop.",
    )
    target: str | None = setting(
        None,
        "Time nothing: compile the experiments for a device that need not be there, "
        "h200 or v5e:2x2, and count what their programs do.",
    )


class Stages:
    """The entries of a job, one for each stage.

    They share the programs, which are made when the first entry runs. `state` is Google
    Benchmark's: `while state` makes as many iterations as are measured.
    """

    def __init__(self, job: jobs_lib.Job):
        self.job = job

    @functools.cached_property
    def calls(self) -> jobs_lib.Calls:
        return self.job.make()

    @functools.cached_property
    def fixed(self) -> dict[str, int]:
        return counters.fixed(self.calls.programs)

    def run(self, state: Any) -> None:
        call, fixed = self.calls.call, self.fixed
        for _ in range(WARM_UP):
            jax.block_until_ready(call())
        compiled, started = 0, time.perf_counter()
        while state:
            before = compilations.count()
            jax.block_until_ready(call())
            compiled = max(compiled, compilations.count() - before)
        seconds = (time.perf_counter() - started) / state.iterations
        peak = counters.peak()
        measured = {
            "compilations": compiled,
            "fraction_of_peak_flops": fixed["flops"] / seconds / peak.flops,
            "fraction_of_peak_bandwidth": fixed["bytes_in_out"] / seconds / peak.bytes,
        }
        if self.job.lane_steps is not None:
            measured["us_per_lane_step"] = 1e6 * seconds / self.job.lane_steps
        state.counters = fixed | measured

    def trace(self, state: Any) -> None:
        programs = self.calls.programs
        while state:
            for program in programs:
                program.trace()

    def lower(self, state: Any) -> None:
        programs = self.calls.programs
        while state:
            state.pause_timing()
            traced = [program.trace() for program in programs]
            state.resume_timing()
            for program in traced:
                program.lower()

    def compile(self, state: Any) -> None:
        programs, compiled = self.calls.programs, 0
        while state:
            state.pause_timing()
            lowered = [program.trace().lower() for program in programs]
            before = compilations.count()
            state.resume_timing()
            for program in lowered:
                program.compile()
            compiled = compilations.count() - before
        state.counters = {"compilations": compiled}


@dataclasses.dataclass
class Entries:
    """The names of all entries, and how many of them have been started so far."""

    names: list[str]
    started: int = 0


@functools.cache
def register() -> Entries:
    """Registers all entries with Google Benchmark, which keeps them for good."""
    entries = Entries([])
    for job in jobs_lib.jobs(devices.local_mesh(), registry.BENCHMARKS):
        stages = Stages(job)
        for stage in STAGES:
            function = _entry(entries, job, getattr(stages, stage))
            function = google_benchmark.option.use_real_time()(function)
            google_benchmark.register(function, name=job.title(stage))
            entries.names.append(f"{job.title(stage)}/real_time")
    for key, value in counters.machine().items():
        google_benchmark.add_custom_context(key, value)
    return entries


def _entry(
    entries: Entries, job: jobs_lib.Job, stage: Callable[[Any], None]
) -> Callable[[Any], None]:
    def entry(state: Any) -> None:
        entries.started += 1
        with job.context():
            stage(state)

    return entry


def chosen(names: list[str], pattern: str) -> list[str]:
    """The names that the pattern of `--benchmark_filter` matches.

    Raises:
      UsageError: it is no regular expression, or matches no name.
    """
    excluding = pattern.startswith("-")
    try:
        compiled = re.compile("" if pattern == "all" else pattern.removeprefix("-"))
    except re.error as error:
        problem = f"no regular expression ({error})"
        raise errors.UsageError(
            "benchmark_filter", pattern, problem, "one such as smoke"
        ) from None
    matched = [name for name in names if bool(compiled.search(name)) != excluding]
    if not matched:
        allowed = "what --benchmark_list_tests lists"
        raise errors.UsageError(
            "benchmark_filter", pattern, "matches no benchmark", allowed
        )
    return matched


def google_flags(options: Options) -> list[str]:
    """The command line for Google Benchmark."""
    if options.benchmark_enable_random_interleaving is None:
        # One after another, repetitions would share the noise of one moment.
        repeated = options.benchmark_repetitions > 1
        options = dataclasses.replace(
            options, benchmark_enable_random_interleaving=repeated
        )
    names = [field.name for field in settings.fields(Options)]
    values = {name: getattr(options, name) for name in names}
    return [
        f"--{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in values.items()
        if name.startswith("benchmark_") and value != ""
    ]


def smoke_counters(mesh: Mesh) -> dict[str, dict[str, int]]:
    """The deterministic counters of every smoke entry, by its name."""
    counted = {}
    for job in jobs_lib.jobs(mesh, registry.BENCHMARKS):
        if not job.name.startswith(SMOKE):
            continue
        with job.context():
            call, programs = job.make()
            fixed = counters.fixed(programs)
            for _ in range(WARM_UP):
                jax.block_until_ready(call())
            before = compilations.count()
            jax.block_until_ready(call())
            compiled = compilations.count() - before
        counted[job.title("run")] = fixed | {"compilations": compiled}
    return counted


def update_baseline() -> None:
    """Writes this machine's counters beside those of others."""
    known = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    known[counters.key()] = smoke_counters(devices.local_mesh())
    BASELINE.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    terminal.say(f"{BASELINE} has the counters of {counters.key()}")


def count_ahead(options: Options, target: ahead.Target) -> int:
    """Counts what the programs of experiments do on a target."""
    jobs = [
        job
        for job in jobs_lib.jobs(target.mesh, registry.BENCHMARKS)
        if job.group is not None
    ]
    if options.update_baseline:
        small = [job for job in jobs if job.name.startswith(SMOKE)]
        targets.update_baseline(small, target)
        return 0
    titles = [job.title(targets.STAGE) for job in jobs]
    names = chosen(titles, options.benchmark_filter)
    if options.benchmark_list_tests:
        print("\n".join(names))
        return 0
    _check_output(options.benchmark_out)
    some = [job for job in jobs if job.title(targets.STAGE) in names]
    measured = targets.measure(some, target)
    if options.benchmark_out:
        targets.write(options.benchmark_out, measured, target)
    terminal.table(targets.table(measured, target))
    return 0


def run(given: dict[str, Any]) -> int:
    """Times what the flags choose; returns the exit status."""
    options = Options(**given)
    if not MIN_TIME.fullmatch(options.benchmark_min_time):
        allowed = "seconds such as 0.5s, or 10x"
        raise errors.UsageError(
            "benchmark_min_time", options.benchmark_min_time, "no such time", allowed
        )
    if options.target is not None:
        return count_ahead(options, target_lib.find(options.target))
    if options.update_baseline:
        update_baseline()
        return 0
    entries = register()
    chosen(entries.names, options.benchmark_filter)
    _check_output(options.benchmark_out)
    before = entries.started
    google_benchmark.initialize(["timing", *google_flags(options)])
    cached = jax.config.jax_enable_compilation_cache
    # With the cache, only the first compilation of a program would compile it.
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        google_benchmark.run_benchmarks()
    except KeyboardInterrupt:
        terminal.say("timing: interrupted")
        return errors.INTERRUPTED
    finally:
        jax.config.update("jax_enable_compilation_cache", cached)
    return 0 if options.benchmark_list_tests or entries.started > before else 2


def _check_output(path: str) -> None:
    """Raises UsageError if the file cannot be written.

    Google Benchmark would exit without naming the flag.
    """
    try:
        if path:
            with open(path, "a"):
                pass
    except OSError as error:
        allowed = "a file that can be written"
        raise errors.UsageError(
            "benchmark_out", path, error.strerror or str(error), allowed
        ) from None


COMMAND = command.Command("timing", __doc__ or "", {"Flags": Options}, run)

if __name__ == "__main__":
    command.start(COMMAND)
