"""Comparing two timed runs: what is found, what is let pass, and every file that is of no use."""

import functools
import json
import pathlib
import re
import sys

import pytest
import yaml
from absl import flags

from benchmarks import compare, timing
from benchmarks.timing_tools import counters as _counters

WORKFLOW = pathlib.Path(__file__).parent.parent / "docs/ci/timing.yml"
MACHINE = dict.fromkeys(_counters.MACHINE, "1")
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
    """Writes a run: for each name the times of its repetitions, and what differs from the usual counters and machine."""

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


def test_a_slow_down_is_found(binary, write):
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
def test_too_few_repetitions_to_tell_are_said_to_be(binary, write, count, status, word):
    write("old.json", {"a": STEADY[:count]})
    write("new.json", {"a": times(9)[:count]})
    found, out, _ = binary("old.json", "new.json")
    assert found == status
    assert word in out


@pytest.mark.parametrize("counter", _counters.DETERMINISTIC)
def test_a_counter_that_changed_is_found(binary, write, counter):
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
        "--max_ratio=0.5: too small; allowed: a number from 1",
    ),
    "tolerance": (
        ["old.json", "old.json", "--tolerance=x"],
        "--tolerance=x: not such a number",
    ),
    "a flag of others": (
        ["old.json", "old.json", "--seeds=3"],
        "--seeds=3: not a flag of this benchmark",
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


def test_the_workflow_runs_what_exists():
    """It parses, every flag it gives is one of the binary's, and it times both sides in turn before it compares."""
    (job,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    script = "\n".join(step.get("run", "") for step in job["steps"]).replace(
        "\\\n", " "
    )
    commands = re.findall(r"-m (benchmarks\.\w+)([^\n]*)", script)
    assert [name for name, _ in commands] == ["benchmarks.timing", "benchmarks.compare"]
    for name, line in commands:
        known = {
            flag.name
            for flag in flags.FLAGS.get_key_flags_for_module(sys.modules[name])
        }
        assert set(re.findall(r"--(\w+)", line)) <= known
    assert sys.modules["benchmarks.timing"] is timing
    assert script.index("for round in") < script.index(
        "for side in base change; do\n    (cd"
    )
    assert commands[1][1].split()[:3] == [
        "--markdown",
        '"$RUNNER_TEMP/base"',
        '"$RUNNER_TEMP/change"',
    ]
