"""How long every cell and every experiment takes to trace, lower, compile and run.

    python -m benchmarks.timing --benchmark_filter=smoke --benchmark_repetitions=5 --benchmark_out=new.json

speaks Google Benchmark's language: its flags, and its JSON. All outputs are waited for.
"""

import functools
import json
import os
import pathlib
import re
import sys
import time

import google_benchmark
import jax
from absl import flags

from benchmarks.common import flags as _flags
from benchmarks.common import runs as _runs
from benchmarks.common import terminal as _terminal
from benchmarks.timing_tools import counters as _counters
from benchmarks.timing_tools import jobs as _jobs

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(_flags)
BASELINE = pathlib.Path(__file__).with_name("timing_tools") / "baseline.json"
SMOKE = "smoke/"
FORMATS = ("console", "json", "csv")

flags.DEFINE_bool("benchmark_list_tests", False, "List the names, and stop.")
flags.DEFINE_string(
    "benchmark_filter",
    "",
    "Only names that this regular expression matches; with - in front, only others.",
)
flags.DEFINE_string(
    "benchmark_min_time",
    "0.1s",
    "Least time of a measurement, 0.5s, or its number of turns, 10x.",
)
flags.DEFINE_float(
    "benchmark_min_warmup_time",
    0.0,
    "Seconds of turns before those that count.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "benchmark_repetitions",
    1,
    "How often each measurement is made.",
    lower_bound=1,
    upper_bound=10**6,
)
flags.DEFINE_bool("benchmark_dry_run", False, "One turn of each.")
flags.DEFINE_bool(
    "benchmark_enable_random_interleaving",
    False,
    "Measurements in random order; so if they are repeated.",
)
flags.DEFINE_bool(
    "benchmark_report_aggregates_only",
    False,
    "Only means, medians and deviations of repetitions.",
)
flags.DEFINE_bool(
    "benchmark_display_aggregates_only",
    False,
    "The same, but --benchmark_out keeps all.",
)
flags.DEFINE_enum("benchmark_format", "console", FORMATS, "What is printed.")
flags.DEFINE_string("benchmark_out", "", "A file for the results.")
flags.DEFINE_enum("benchmark_out_format", "json", FORMATS, "What that file holds.")
flags.DEFINE_enum("benchmark_color", "auto", ("auto", "true", "false"), "Colours.")
flags.DEFINE_bool("benchmark_counters_tabular", False, "Counters as a table.")
flags.DEFINE_string("benchmark_context", "", "key=value,... for the results.")
flags.DEFINE_enum(
    "benchmark_time_unit", "us", ("ns", "us", "ms", "s"), "Unit of times."
)
flags.DEFINE_bool(
    "update_baseline",
    False,
    "Write this machine's counters of smoke entries to benchmarks/timing_tools/baseline.json, and stop.",
)


class Timed:
    """The entries of a job, one a stage; what they share is made when the first of them runs."""

    stages = ("run", "trace", "lower", "compile")
    started = 0

    def __init__(self, job: _jobs.Job):
        self.job = job

    @functools.cached_property
    def made(self) -> tuple:
        turn, programs = self.job.make()
        return turn, programs, _counters.fixed(programs)

    def run(self, state) -> None:
        turn, _, fixed = self.made
        for _ in range(2):
            jax.block_until_ready(turn())
        compilations, started = 0, time.perf_counter()
        while state:
            before = _counters.COMPILED[0]
            jax.block_until_ready(turn())
            compilations = max(compilations, _counters.COMPILED[0] - before)
        seconds = (time.perf_counter() - started) / state.iterations
        peak = _counters.peak()
        state.counters = {
            **fixed,
            "compilations": compilations,
            "us_per_lane_step": 1e6 * seconds / self.job.lane_steps,
            "share_of_product": fixed["flops"] / seconds / peak.flops,
            "share_of_copy": fixed["bytes_in_out"] / seconds / peak.bytes,
        }

    def trace(self, state) -> None:
        programs = self.made[1]
        while state:
            for program in programs:
                program.trace()

    def lower(self, state) -> None:
        programs = self.made[1]
        while state:
            state.pause_timing()
            traced = [program.trace() for program in programs]
            state.resume_timing()
            for program in traced:
                program.lower()

    def compile(self, state) -> None:
        programs = self.made[1]
        while state:
            state.pause_timing()
            lowered = [program.trace().lower() for program in programs]
            compiled = _counters.COMPILED[0]
            state.resume_timing()
            for program in lowered:
                program.compile()
        state.counters = {"compilations": _counters.COMPILED[0] - compiled}


@functools.cache
def register() -> list[str]:
    """The names of all entries, which Google Benchmark knows from then on; names end as it ends them."""
    jobs, names = _jobs.jobs(_runs.local_mesh()), []
    for timed in map(Timed, jobs):
        for stage in Timed.stages:
            entry = google_benchmark.option.use_real_time()(
                _counted(getattr(timed, stage))
            )
            google_benchmark.register(entry, name=timed.job.title(stage))
            names.append(f"{timed.job.title(stage)}/real_time")
    for key, value in _counters.machine().items():
        google_benchmark.add_custom_context(key, value)
    return names


def _counted(stage):
    def entry(state):
        Timed.started += 1
        stage(state)

    return entry


def chosen(names: list[str]) -> list[str]:
    """The names that `--benchmark_filter` matches."""
    text = FLAGS.benchmark_filter
    try:
        pattern = re.compile("" if text == "all" else text.removeprefix("-"))
    except re.error as error:
        raise _flags.UsageError(
            "benchmark_filter",
            text,
            f"no regular expression ({error})",
            "one such as smoke",
        ) from None
    found = [
        name for name in names if (pattern.search(name) is None) == text.startswith("-")
    ]
    if not found:
        raise _flags.UsageError(
            "benchmark_filter",
            text,
            "matches no benchmark",
            "what --benchmark_list_tests lists",
        )
    return found


def check_output() -> None:
    """Raises UsageError if `--benchmark_out` cannot be written: Google Benchmark would leave without a word about the flag."""
    path = FLAGS.benchmark_out
    if path:
        try:
            with open(path, "a"):
                pass
        except OSError as error:
            raise _flags.UsageError(
                "benchmark_out", path, error.strerror, "a file that can be written"
            ) from None


def google_flags() -> list[str]:
    """The command line for Google Benchmark: its flags as they are set here."""
    names = [
        flag.name
        for flag in FLAGS.get_key_flags_for_module(sys.modules[__name__])
        if flag.name.startswith("benchmark_")
    ]
    values = {name: FLAGS[name].value for name in names if FLAGS[name].value != ""}
    return [
        f"--{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in values.items()
    ]


def smoke_counters(mesh) -> dict[str, dict[str, int]]:
    """The counters of every smoke entry that do not depend on time."""
    found = {}
    for job in _jobs.jobs(mesh):
        if job.name.startswith(SMOKE):
            turn, programs = job.make()
            fixed = _counters.fixed(programs)
            jax.block_until_ready([turn(), turn()])
            compiled = _counters.COMPILED[0]
            jax.block_until_ready(turn())
            found[job.title("run")] = fixed | {
                "compilations": _counters.COMPILED[0] - compiled
            }
    return found


def update_baseline() -> None:
    """Writes this machine's counters beside those of others."""
    known = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    known[_counters.key()] = smoke_counters(_runs.local_mesh())
    BASELINE.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    _terminal.say(f"{BASELINE} has the counters of {_counters.key()}")


def main() -> int:
    _flags.refuse(
        *(flag.name for flag in FLAGS.flags_by_module_dict()[_flags.__name__])
    )
    if not re.fullmatch(r"[1-9]\d{0,8}x|\d+(\.\d*)?s", FLAGS.benchmark_min_time):
        raise _flags.UsageError(
            "benchmark_min_time",
            FLAGS.benchmark_min_time,
            "no such time",
            "seconds such as 0.5s, or 10x",
        )
    if FLAGS.update_baseline:
        update_baseline()
        return 0
    if (
        FLAGS.benchmark_repetitions > 1
    ):  # in a row, all of them would share one moment's noise
        _flags.take({"benchmark_enable_random_interleaving": True})
    chosen(register())
    check_output()
    before = Timed.started
    google_benchmark.initialize(["timing", *google_flags()])
    kept = jax.config.jax_enable_compilation_cache
    jax.config.update(
        "jax_enable_compilation_cache", False
    )  # what was compiled once would not be compiled again
    try:
        google_benchmark.run_benchmarks()
    except KeyboardInterrupt:
        _terminal.say("timing: interrupted")
        return 130
    finally:
        jax.config.update("jax_enable_compilation_cache", kept)
    return 0 if FLAGS.benchmark_list_tests or Timed.started > before else 2


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _flags.start(main)
