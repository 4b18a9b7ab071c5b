"""Timing: entries, counters, Google Benchmark's JSON, the baseline, bad flags."""

import dataclasses
import functools
import json
import types

import jax
import jax.numpy as jnp
import pytest

from benchmarks import timing
from benchmarks.registry import BENCHMARKS
from benchmarks.timing_tools import counters, jobs
from rnnjax.cells import registry
from rnnjax.engine.mesh import Mesh

FAST = [
    "--benchmark_filter=smoke/cell/rnn_tanh/step/(run|compile)",
    "--benchmark_min_time=2x",
]
COUNTERS = {
    *counters.DETERMINISTIC,
    "us_per_lane_step",
    "fraction_of_peak_flops",
    "fraction_of_peak_bandwidth",
}


@pytest.fixture
def binary(command):
    return functools.partial(command, timing)


class State:
    """What Google Benchmark passes to an entry, for so many iterations."""

    def __init__(self, iterations):
        self.iterations, self.counters, self._left = iterations, {}, iterations + 1

    def __bool__(self):
        self._left -= 1
        return self._left > 0

    def pause_timing(self):
        pass

    resume_timing = pause_timing


def stages(make, lane_steps=1):
    return timing.Stages(jobs.Job("x", {}, lane_steps, make))


def test_every_cell_and_every_experiment_is_there():
    made = jobs.jobs(Mesh.local(), BENCHMARKS)
    names = {job.name for job in made}
    assert len({job.title("run") for job in made}) == len(made)
    for cell in registry.CELLS:
        for what in ("step", "unroll", "unroll_backward"):
            assert f"cell/{cell}/{what}" in names
    kinds = {"cell", *BENCHMARKS}
    assert {name.split("/")[0] for name in names} - {"smoke"} == kinds
    assert {name.split("/")[1] for name in names if name.startswith("smoke/")} == kinds


def test_a_benchmark_that_lists_nothing_is_timed_by_its_smoke_run():
    benchmark = dataclasses.replace(BENCHMARKS["memory_stability"], timed=None)
    job = jobs.jobs(Mesh.local(), {"memory_stability": benchmark})[-1]
    assert job.title("run") == "smoke/memory_stability/run"
    timing.Stages(job).run(state := State(1))
    assert state.counters.keys() == COUNTERS - {"us_per_lane_step"}
    assert state.counters["flops"] > 0 and state.counters["compilations"] == 0


def test_results_are_in_googles_format_with_counters_and_the_machine(binary, tmp_path):
    status, _, err = binary(
        *FAST, "--benchmark_repetitions=2", "--benchmark_out=out.json"
    )
    assert status == 0, err
    content = json.loads((tmp_path / "out.json").read_text())
    machine = {name: content["context"][name] for name in counters.MACHINE}
    assert machine == counters.machine()
    rows = [row for row in content["benchmarks"] if row["run_type"] == "iteration"]
    runs = [row for row in rows if "/run/" in row["name"]]
    assert len(rows) == 4 and len(runs) == 2
    assert {row["name"] for row in rows} <= set(timing.register().names)
    # 4 rows, 8 units, 8 inputs: two products, and a bias, a sum and tanh for each unit.
    flops = 4 * (2 * 2 * 8 * 8 + 3 * 8)
    for run in runs:
        assert run.keys() >= COUNTERS | {"real_time", "time_unit", "iterations"}
        assert run["flops"] == flops
        assert run["compilations"] == 0
    assert {row["compilations"] for row in rows if "/compile/" in row["name"]} == {1}


@pytest.mark.parametrize("stage", timing.STAGES)
def test_a_stage_does_its_own_work_every_time(stage):
    """Each iteration traces, lowers or compiles anew; a run does nothing of this."""
    events = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: events.append(event.split("/")[-1])
    )
    program, x = jax.jit(lambda x: jnp.tanh(x) @ x), jnp.ones((5, 5))
    programs = [jobs.Program(program, (x,))]
    timed = stages(lambda: jobs.Calls(lambda: program(x), programs))
    getattr(timed, stage)(State(1))
    events.clear()
    getattr(timed, stage)(state := State(3))
    counts = [
        events.count(f"{what}_duration")
        for what in ("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile")
    ]
    expected = {
        "run": (0, 0, 0),
        "trace": (3, 0, 0),
        "lower": (3, 3, 0),
        "compile": (3, 3, 3),
    }[stage]
    # Tracing one function may trace others within it.
    assert [bool(number) for number in counts] == [bool(number) for number in expected]
    assert all(number >= minimum for number, minimum in zip(counts, expected))
    if stage in ("run", "compile"):
        assert state.counters["compilations"] == expected[2] // 3


def test_rates_are_of_one_call(monkeypatch):
    """Four calls in eight seconds, of two lane-steps each."""
    seconds = iter([0.0, 8.0])
    clock = types.SimpleNamespace(perf_counter=lambda: next(seconds))
    fixed = dict.fromkeys(counters.DETERMINISTIC[:-1], 60)
    monkeypatch.setattr(timing, "time", clock)
    monkeypatch.setattr(counters, "fixed", lambda programs: fixed)
    monkeypatch.setattr(counters, "peak", lambda: counters.Peak(flops=300, bytes=60))
    stages(lambda: jobs.Calls(lambda: 0, []), lane_steps=2).run(state := State(4))
    rates = {
        "us_per_lane_step": 1e6,
        "fraction_of_peak_flops": 0.1,
        "fraction_of_peak_bandwidth": 0.5,
    }
    assert {name: state.counters[name] for name in rates} == pytest.approx(rates)


def test_a_run_that_compiles_in_every_call_is_noticed():
    x = jnp.ones(3)
    timed = stages(lambda: jobs.Calls(lambda: jax.jit(lambda x: x + 1)(x), []))
    timed.run(state := State(4))
    assert state.counters["compilations"] == 1


def test_all_outputs_of_every_call_are_waited_for(monkeypatch):
    waited = []

    def block_until_ready(tree):
        waited.append(tree)
        return tree

    monkeypatch.setattr(jax, "block_until_ready", block_until_ready)
    stages(lambda: jobs.Calls(lambda: "outputs", [])).run(State(4))
    assert waited.count("outputs") == timing.WARM_UP + 4


def test_counters_repeat_exactly_and_are_those_of_the_baseline():
    """Of another processor, those that depend on it need only repeat.

    The entries of another version of JAX are not compared: its programs differ.
    """
    counted = timing.smoke_counters(Mesh.local())
    assert timing.smoke_counters(Mesh.local()) == counted
    assert all(entry["compilations"] == 0 for entry in counted.values())
    baseline = json.loads(timing.BASELINE.read_text())
    for key, expected in baseline.items():
        names = counters.DETERMINISTIC if key == counters.key() else counters.PORTABLE
        if same_program(key):
            hint = "if that is meant: python -m benchmarks.timing --update_baseline"
            assert select(counted, names) == select(expected, names), hint


def same_program(key):
    """Whether a machine has this JAX, and as many devices of this kind."""
    words = [f"{name} {counters.machine()[name]}" for name in counters.MACHINE[:4]]
    return key.startswith(", ".join(words) + ", ")


def select(counted, names):
    return {
        title: {name: entry[name] for name in names} for title, entry in counted.items()
    }


def test_the_baseline_has_all_counters_of_smoke_entries():
    baseline = json.loads(timing.BASELINE.read_text())
    assert baseline
    for counted in baseline.values():
        assert counted and all(name.startswith("smoke/") for name in counted)
        for entry in counted.values():
            assert tuple(entry) == counters.DETERMINISTIC
            assert entry["compilations"] == 0


def test_update_baseline_keeps_the_entries_of_other_machines(
    binary, tmp_path, monkeypatch
):
    path = tmp_path / "baseline.json"
    path.write_text('{"another": {}}')
    job = jobs.cells("smoke/cell", "gru", units=2, steps=3, batch=2)[0]
    monkeypatch.setattr(timing, "BASELINE", path)
    monkeypatch.setattr(jobs, "jobs", lambda mesh, benchmarks: [job])
    status, out, err = binary("--update_baseline")
    assert (status, out) == (0, ""), err
    written = json.loads(path.read_text())
    assert set(written) == {"another", counters.key()}
    (counted,) = written[counters.key()].values()
    assert tuple(counted) == counters.DETERMINISTIC and counted["flops"] > 0


def test_repetitions_are_interleaved_unless_the_user_says_otherwise():
    flag = "--benchmark_enable_random_interleaving"
    for repetitions, given, expected in [
        (1, None, "false"),
        (2, None, "true"),
        (2, False, "false"),
        (1, True, "true"),
    ]:
        options = timing.Options(
            benchmark_repetitions=repetitions,
            benchmark_enable_random_interleaving=given,
        )
        assert f"{flag}={expected}" in timing.google_flags(options)


WRONG = {
    "no match": (
        "--benchmark_filter=nothing",
        "--benchmark_filter=nothing: matches no benchmark",
    ),
    "all excluded": (
        "--benchmark_filter=-.",
        "--benchmark_filter=-.: matches no benchmark",
    ),
    "no expression": (
        "--benchmark_filter=*",
        "--benchmark_filter=*: no regular expression",
    ),
    "no number": (
        "--benchmark_repetitions=x",
        "--benchmark_repetitions=x: 'x' is no such number; allowed: whole numbers",
    ),
    "no time": (
        "--benchmark_min_time=1",
        "--benchmark_min_time=1: no such time; allowed: seconds such as 0.5s, or 10x",
    ),
    "no format": (
        "--benchmark_out_format=xml",
        "--benchmark_out_format=xml: no such benchmark_out_format; allowed: console,",
    ),
    "no folder": (
        "--benchmark_out=no/x.json",
        "--benchmark_out=no/x.json: No such file or directory",
    ),
    "negative": (
        "--benchmark_min_warmup_time=-1",
        "--benchmark_min_warmup_time=-1: not such a number; allowed: a number from 0",
    ),
    "unknown": (
        "--benchmark_nonsense=1",
        "Unknown command line flag 'benchmark_nonsense'",
    ),
    "nearly a flag": (
        "--benchmark_filters=smoke",
        "Unknown command line flag 'benchmark_filters'. Did you mean: benchmark_filter",
    ),
    "a flag of others": ("--cell=gru", "Unknown command line flag 'cell'"),
    "a word": ("smoke", "'smoke' is no flag"),
}


@pytest.mark.parametrize("argument, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(binary, tmp_path, argument, message):
    status, out, err = binary(argument)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert message in err
    assert not list(tmp_path.iterdir())
