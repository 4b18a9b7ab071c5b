"""Comparing two timed runs: what is bad, what passes, and every unusable file."""

import functools
import json
import pathlib
import re

import pytest
import yaml

from benchmarks import compare, timing
from benchmarks.common import terminal
from benchmarks.timing_tools import counters as counters_lib
from rnnjax import settings

WORKFLOWS = pathlib.Path(__file__).parent.parent / ".github/workflows"
MACHINE = dict.fromkeys(counters_lib.MACHINE, "1")
COUNTERS = {
    "flops": 1000.0,
    "bytes_in_out": 400.0,
    "temp_bytes": 0.0,
    "hlo_instructions": 50.0,
    "compilations": 0.0,
}
STEADY = [10.0, 10.4, 10.1, 10.3, 10.2]


@pytest.fixture
def binary(command):
    return functools.partial(command, compare)


@pytest.fixture
def write(tmp_path):
    """Writes a run: for each name the times of its repetitions.

    `counters` and `machine` are what differs from the usual ones.
    """

    def write(path, times, machine=None, **counters):
        rows = []
        for name, repetitions in times.items():
            shared = {
                "name": name,
                "run_name": name,
                "time_unit": "us",
                **COUNTERS,
                **counters,
            }
            rows += [
                {**shared, "run_type": "iteration", "real_time": time}
                for time in repetitions
            ]
            rows.append(
                {
                    **shared,
                    "run_type": "aggregate",
                    "name": f"{name}_mean",
                    "real_time": 1e9,
                }
            )
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(
            json.dumps({"context": MACHINE | (machine or {}), "benchmarks": rows})
        )

    return write


def times(factor):
    return [factor * time for time in STEADY]


def test_two_runs_of_the_same_code_pass(binary, write):
    write("old.json", {"a": STEADY, "b": times(3)})
    write("new.json", {"a": [10.2, 10.3, 10.5, 10.0, 19.0], "b": times(2.9)})
    status, out, err = binary("old.json", "new.json")
    assert (status, err) == (0, "")
    assert "0 of 2 worse or changed" in out
    assert out.count("same") == 2


def test_a_slowdown_is_reported(binary, write):
    write("old.json", {"a": STEADY, "b": STEADY, "c": [1.0]})
    write("new.json", {"a": STEADY, "b": times(1.6), "c": [9.0]})
    status, out, _ = binary("old.json", "new.json")
    assert status == 1
    assert out.index(" b ") < out.index(" c ") < out.index(" a ")
    assert "1 of 3 worse or changed" in out
    assert re.search(r" b +10.2 us +16.3 us +1.60 +0.004 +slower", out)
    assert binary("old.json", "new.json", "--max_ratio=1.7")[0] == 0
    status, out, _ = binary("new.json", "old.json")
    assert status == 0
    assert "faster" in out


def test_a_rise_of_all_times_may_be_the_machine(binary, write):
    write("old.json", {"a": STEADY, "b": times(3)})
    write("new.json", {"a": times(1.7), "b": times(4.8)})
    status, out, _ = binary("old.json", "new.json")
    assert status == 1
    assert "All times are longer, 1.60 to 1.70 times: a busier machine" in out
    write("new.json", {"a": times(1.5), "b": times(2.9)})
    assert "All times" not in binary("old.json", "new.json")[1]


def test_a_long_time_that_may_be_chance_passes(binary, write):
    write("old.json", {"a": [10.0, 10.0, 10.0, 40.0, 41.0]})
    write("new.json", {"a": [9.0, 9.0, 30.0, 31.0, 32.0]})
    status, out, _ = binary("old.json", "new.json")
    assert status == 0
    assert "no significant difference" in out


@pytest.mark.parametrize(
    "count, status, word",
    [(1, 0, "too few repetitions"), (3, 0, "too few repetitions"), (4, 1, "slower")],
)
def test_too_few_repetitions_for_significance_are_reported(
    binary, write, count, status, word
):
    write("old.json", {"a": STEADY[:count]})
    write("new.json", {"a": times(9)[:count]})
    found, out, _ = binary("old.json", "new.json")
    assert found == status
    assert word in out


@pytest.mark.parametrize("counter", counters_lib.DETERMINISTIC)
def test_a_counter_that_changed_is_reported(binary, write, counter):
    """An extra compilation is one; so is work that is done no more."""
    write("old.json", {"a": STEADY})
    before = COUNTERS[counter]
    for after in (before + max(1, 0.1 * before), 0.5 * before):
        if after != before:
            write("new.json", {"a": STEADY}, **{counter: after})
            status, out, _ = binary("old.json", "new.json")
            assert status == 1
            assert f"{counter} {before:,.0f} to {after:,.0f}" in out


def test_a_counter_within_its_tolerance_passes_but_a_compilation_never(binary, write):
    write("old.json", {"a": STEADY}, compilations=100)
    write("new.json", {"a": STEADY}, compilations=100, flops=1010)
    assert binary("old.json", "new.json")[0] == 0
    assert binary("old.json", "new.json", "--tolerance=0.005")[0] == 1
    write("new.json", {"a": STEADY}, compilations=101)
    assert binary("old.json", "new.json", "--tolerance=0.5")[0] == 1


def test_files_of_a_folder_are_one_run(binary, write):
    for k in range(2):
        write(f"old/{k}.json", {"a": STEADY[:2]})
        write(f"new/{k}.json", {"a": times(2)[:2]})
    assert binary("old/0.json", "new/0.json")[0] == 0
    assert binary("old", "new")[0] == 1


def test_entries_of_one_file_alone_are_listed(binary, write):
    write("old.json", {"a": STEADY, "gone": STEADY})
    write("new.json", {"a": STEADY, "fresh": STEADY})
    for markdown in ([], ["--markdown"]):
        status, out, _ = binary("old.json", "new.json", *markdown)
        assert status == 0
        assert "only in old.json: gone" in out and "only in new.json: fresh" in out


def test_nothing_is_cut_on_a_narrow_terminal(binary, write, monkeypatch):
    monkeypatch.setattr(terminal, "FILE_WIDTH", 80)
    name = "/".join(["smoke", "autocomplete", "gru", *["units:16"] * 8])
    write("old.json", {name: STEADY})
    write("new.json", {name: times(2)}, flops=2000, temp_bytes=70, compilations=1)
    status, out, _ = binary("old.json", "new.json")
    assert status == 1
    assert all(len(line) <= 80 for line in out.splitlines()[1:])
    assert "…" not in out
    changes = "slower,flops1,000to2,000,temp_bytes0to70,compilations0to1"
    columns = [(line[:40], line[40:]) for line in out.splitlines()]
    first, second = ("".join("".join(part).split()) for part in zip(*columns))
    assert name in first
    assert changes in second


def test_markdown_shows_what_is_worse_first(binary, write):
    write("old.json", {"a|b": STEADY, "c": STEADY})
    write("new.json", {"a|b": times(2), "c": STEADY})
    status, out, _ = binary("old.json", "new.json", "--markdown")
    lines = out.splitlines()
    assert status == 1
    assert lines[0].startswith("### Speed: 1 of 2 worse or changed")
    assert lines[4] == "| a\\|b | 10.2 us | 20.4 us | 2.00 | 0.004 | slower |"
    assert "<summary>All measurements: 2</summary>" in out


def test_different_machines_are_compared_if_asked_to(binary, write):
    write("old.json", {"a": STEADY})
    write("new.json", {"a": STEADY}, machine={"jaxlib": "2"})
    assert binary("old.json", "new.json", "--different")[0] == 0


BAD = {
    "no file": (["old.json", "no.json"], "no.json: No such file or directory"),
    "a folder without": (["empty", "old.json"], "empty: has no JSON file"),
    "empty": (["empty.json", "old.json"], "empty.json: the file is empty"),
    "cut short": (["old.json", "short.json"], "short.json: not JSON, or cut short"),
    "not text": (["old.json", "binary.json"], "binary.json: not text"),
    "foreign": (
        ["old.json", "foreign.json"],
        "foreign.json: JSON of something else; allowed: what benchmarks.timing wrote",
    ),
    "a list": (["old.json", "list.json"], "list.json: JSON of something else"),
    "another program's": (
        ["old.json", "other.json"],
        "other.json: JSON of something else",
    ),
    "aggregates": (["old.json", "mean.json"], "mean.json: no measurement is in it"),
    "no time": (["old.json", "zero.json"], "zero.json: JSON of something else"),
    "another version": (
        ["old.json", "version.json"],
        "version.json: another jaxlib (2, not 1) than old.json; allowed:",
    ),
    "another device": (
        ["old.json", "device.json"],
        "device.json: another device_kind (TPU, not 1) than old.json; allowed:",
    ),
    "mixed folder": (
        ["old.json", "mixed"],
        "mixed/b.json: another jaxlib (2, not 1) than mixed/a.json",
    ),
    "nothing in common": (
        ["old.json", "else.json"],
        "else.json: has no benchmark in common with old.json",
    ),
    "one file": (
        ["old.json"],
        "NEW.json: not given; allowed: OLD.json and NEW.json and flags",
    ),
    "three files": (["old.json", "old.json", "third.json"], "'third.json' is no flag"),
    "ratio": (
        ["old.json", "old.json", "--max_ratio=0.5"],
        "--max_ratio=0.5: not such a number; allowed: a number from 1",
    ),
    "tolerance": (
        ["old.json", "old.json", "--tolerance=x"],
        "--tolerance=x: not such a number",
    ),
    "a flag of others": (
        ["old.json", "old.json", "--seeds=3"],
        "Unknown command line flag 'seeds'",
    ),
}


@pytest.mark.parametrize("arguments, message", BAD.values(), ids=BAD)
def test_bad_input_is_one_clear_line(binary, write, tmp_path, arguments, message):
    for name in ("old.json", "mixed/a.json", "mean.json"):
        write(name, {"a": [] if name == "mean.json" else STEADY})
    for name in ("version.json", "mixed/b.json"):
        write(name, {"a": STEADY}, machine={"jaxlib": "2"})
    write("device.json", {"a": STEADY}, machine={"device_kind": "TPU"})
    write("zero.json", {"a": [0.0]})
    write("else.json", {"b": STEADY})
    (tmp_path / "empty").mkdir()
    for name, text in {
        "empty": " \n",
        "short": '{"context": {',
        "foreign": '{"a": 1}',
        "list": "[1]",
    }.items():
        (tmp_path / f"{name}.json").write_text(text)
    (tmp_path / "other.json").write_text(
        '{"context": {"num_cpus": 2}, "benchmarks": []}'
    )
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    status, out, err = binary(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert message in err


def test_the_timing_workflow_times_both_sides_alternately_before_it_compares():
    """It parses, and every flag it gives is one of the binary's."""
    (job,) = yaml.safe_load((WORKFLOWS / "timing.yml").read_text())["jobs"].values()
    script = "\n".join(step.get("run", "") for step in job["steps"])
    script = script.replace("\\\n", " ")
    commands = re.findall(r"-m (benchmarks\.\w+)([^\n]*)", script)
    assert [name for name, _ in commands] == ["benchmarks.timing", "benchmarks.compare"]
    for module, (_, line) in zip((timing, compare), commands):
        known = {field.name for field in settings.fields(module.Options)}
        assert set(re.findall(r"--(\w+)", line)) <= known
    rounds, sides = "for round in", "for side in base change; do\n    (cd"
    assert script.index(rounds) < script.index(sides)
    words = ["--markdown", '"$RUNNER_TEMP/base"', '"$RUNNER_TEMP/change"']
    assert commands[1][1].split()[:3] == words


def test_the_tests_workflow_has_the_pinned_and_the_oldest_packages():
    jobs = yaml.safe_load((WORKFLOWS / "tests.yml").read_text())["jobs"]
    scripts = {
        name: "\n".join(step.get("run", "") for step in job["steps"])
        for name, job in jobs.items()
    }
    assert "-r requirements.txt" in scripts["tests"]
    assert "-m pytest" in scripts["tests"] and "-m pytest" in scripts["oldest"]
    assert all(
        tool in scripts["lint"] for tool in ("ruff check", "ruff format", "mypy")
    )
    setup = (WORKFLOWS.parent.parent / "setup.cfg").read_text()
    (oldest,) = re.findall(r"jax >=([\d.]+)", setup)
    assert f'"jax=={oldest}"' in scripts["oldest"]
