"""Timings: the entries, their counters, Google Benchmark's JSON, the baseline, and every wrong command line."""

import functools
import json
import types

import jax
import jax.numpy as jnp
import pytest

from benchmarks import timing
from benchmarks.timing_tools import counters as _counters
from benchmarks.timing_tools import jobs as _jobs
from rnnjax.cells import registry
from rnnjax.engine.mesh import Mesh

FAST = [
    "--benchmark_filter=smoke/cell/rnn_tanh/step/(run|compile)",
    "--benchmark_min_time=2x",
]
COUNTERS = {
    *_counters.DETERMINISTIC,
    "us_per_lane_step",
    "share_of_product",
    "share_of_copy",
}


@pytest.fixture
def binary(command):
    return functools.partial(command, timing)


class State:
    """What Google Benchmark hands to an entry, for so many turns."""

    def __init__(self, turns):
        self.iterations, self.counters, self._left = turns, {}, turns + 1

    def __bool__(self):
        self._left -= 1
        return self._left > 0

    def pause_timing(self):
        pass

    resume_timing = pause_timing


def test_every_cell_and_every_experiment_is_there():
    jobs = _jobs.jobs(Mesh.local())
    names = {job.name for job in jobs}
    assert len({job.title("run") for job in jobs}) == len(jobs)
    for cell in registry.CELLS:
        assert {
            f"cell/{cell}/{what}" for what in ("step", "unroll", "unroll_backward")
        } <= names
    kinds = {"cell", "memory_stability", "capacity", "autocomplete"}
    assert {name.split("/")[0] for name in names} - {"smoke"} == kinds
    assert {name.split("/")[1] for name in names if name.startswith("smoke/")} == kinds


def test_results_are_in_googles_format_with_counters_and_the_machine(binary, tmp_path):
    status, _, err = binary(
        *FAST, "--benchmark_repetitions=2", "--benchmark_out=out.json"
    )
    assert status == 0, err
    found = json.loads((tmp_path / "out.json").read_text())
    assert {
        name: found["context"][name] for name in _counters.MACHINE
    } == _counters.machine()
    rows = [row for row in found["benchmarks"] if row["run_type"] == "iteration"]
    runs = [row for row in rows if "/run/" in row["name"]]
    assert len(rows) == 4 and len(runs) == 2
    assert {row["name"] for row in rows} <= set(timing.register())
    for run in runs:
        assert run.keys() >= COUNTERS | {"real_time", "time_unit", "iterations"}
        assert run["flops"] == 4 * (
            2 * 2 * 8 * 8 + 3 * 8
        )  # 4 rows, 8 units, 8 inputs; bias, sum and tanh
        assert run["compilations"] == 0
    assert {row["compilations"] for row in rows if "/compile/" in row["name"]} == {1}


@pytest.mark.parametrize("stage", timing.Timed.stages)
def test_a_stage_does_its_own_work_every_time(stage):
    """A turn traces, lowers or compiles anew; a run does nothing of this."""
    seen = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: seen.append(event.split("/")[-1])
    )
    program = jax.jit(lambda x: jnp.tanh(x) @ x)
    x = jnp.ones((5, 5))
    timed = timing.Timed(
        _jobs.Job(
            "x", {}, 1, lambda: (lambda: program(x), [_jobs.Program(program, (x,))])
        )
    )
    getattr(timed, stage)(State(1))
    seen.clear()
    getattr(timed, stage)(state := State(3))
    counts = [
        seen.count(f"{what}_duration")
        for what in ("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile")
    ]
    least = {
        "run": (0, 0, 0),
        "trace": (3, 0, 0),
        "lower": (3, 3, 0),
        "compile": (3, 3, 3),
    }[stage]
    assert [bool(number) for number in counts] == [bool(number) for number in least]
    assert all(number >= wanted for number, wanted in zip(counts, least))
    if stage in ("run", "compile"):
        assert state.counters["compilations"] == least[2] // 3


def test_rates_are_of_one_turn(monkeypatch):
    """Four turns in eight seconds, of two lane-steps each."""
    seconds = iter([0.0, 8.0])
    monkeypatch.setattr(
        timing, "time", types.SimpleNamespace(perf_counter=lambda: next(seconds))
    )
    monkeypatch.setattr(
        _counters,
        "fixed",
        lambda programs: dict.fromkeys(_counters.DETERMINISTIC[:-1], 60),
    )
    monkeypatch.setattr(
        _counters, "peak", lambda: _counters.Peak(flops=300.0, bytes=60.0)
    )
    timing.Timed(_jobs.Job("x", {}, 2, lambda: (lambda: 0, []))).run(state := State(4))
    rates = {"us_per_lane_step": 1e6, "share_of_product": 0.1, "share_of_copy": 0.5}
    assert {name: state.counters[name] for name in rates} == pytest.approx(rates)


def test_a_run_that_compiles_in_every_turn_is_found_out():
    x = jnp.ones(3)
    timed = timing.Timed(
        _jobs.Job("x", {}, 1, lambda: (lambda: jax.jit(lambda x: x + 1)(x), []))
    )
    timed.run(state := State(4))
    assert state.counters["compilations"] == 1


def test_every_output_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(
        jax, "block_until_ready", lambda tree: waited.append(tree) or tree
    )
    timing.Timed(_jobs.Job("x", {}, 1, lambda: (lambda: "outputs", []))).run(State(4))
    assert waited.count("outputs") == 2 + 4


def test_counters_repeat_exactly_and_are_those_of_the_baseline():
    """On a machine that the baseline does not know, only its structure is checked."""
    known = json.loads(timing.BASELINE.read_text())
    expected = known.get(_counters.key())
    for counters in known.values():
        assert counters and all(name.startswith("smoke/") for name in counters)
        assert all(
            tuple(entry) == _counters.DETERMINISTIC for entry in counters.values()
        )
        assert all(entry["compilations"] == 0 for entry in counters.values())
    if expected is None:
        pytest.skip(
            f"the baseline has no counters for {_counters.key()}: only its structure was checked"
        )
    found = timing.smoke_counters(Mesh.local())
    hint = "if that is meant: python -m benchmarks.timing --update_baseline"
    assert found == expected, hint


def test_update_baseline_keeps_what_it_knows_of_other_machines(
    binary, tmp_path, monkeypatch
):
    path = tmp_path / "baseline.json"
    path.write_text('{"another": {}}')
    monkeypatch.setattr(timing, "BASELINE", path)
    monkeypatch.setattr(
        _jobs,
        "jobs",
        lambda mesh: _jobs.cells("smoke/cell", "gru", units=2, steps=3, batch=2)[:1],
    )
    status, out, err = binary("--update_baseline")
    assert (status, out) == (0, "")
    written = json.loads(path.read_text())
    assert set(written) == {"another", _counters.key()}
    (counters,) = written[_counters.key()].values()
    assert tuple(counters) == _counters.DETERMINISTIC and counters["flops"] > 0


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
        "--benchmark_repetitions=x: invalid literal",
    ),
    "no time": (
        "--benchmark_min_time=1",
        "--benchmark_min_time=1: no such time; allowed: seconds such as 0.5s, or 10x",
    ),
    "no format": (
        "--benchmark_out_format=xml",
        "--benchmark_out_format=xml: value should be one of",
    ),
    "no folder": (
        "--benchmark_out=no/x.json",
        "--benchmark_out=no/x.json: No such file or directory",
    ),
    "unknown": (
        "--benchmark_nonsense=1",
        "Unknown command line flag 'benchmark_nonsense'",
    ),
    "a flag of others": ("--cell=gru", "--cell=gru: not a flag of this benchmark"),
    "a word": ("smoke", "'smoke' is no flag"),
}


@pytest.mark.parametrize("argument, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(binary, tmp_path, argument, message):
    status, out, err = binary(argument)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert message in err
    assert not list(tmp_path.iterdir())
