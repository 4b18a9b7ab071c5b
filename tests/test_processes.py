"""Several processes share a run: its rows are those of one process, whoever dies."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import tiny

from benchmarks import memory_stability, merge
from benchmarks.common import processes

pytestmark = pytest.mark.usefixtures("quick_compilation")


def start(arguments, environment):
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.memory_stability", *arguments],
        cwd=tiny.ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "benchmark",
    [
        "capacity",
        pytest.param("memory_stability", marks=pytest.mark.slow),
        pytest.param("autocomplete", marks=pytest.mark.slow),
        pytest.param("short_term_memory", marks=pytest.mark.slow),
        pytest.param("optimization", marks=pytest.mark.slow),
    ],
)
def test_slices_make_the_rows_of_one_process(command, tmp_path, benchmark):
    """Out of order, with one slice that has nothing to do; the last one shows the
    results, and so does a merge.
    """
    module, arguments = tiny.BINARIES[benchmark], tiny.arguments(benchmark, "shared")
    assert command(module, *tiny.arguments(benchmark, "whole"))[0] == 0
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    for index in (2, 3):
        status, out, err = command(module, *arguments, f"--shard={index}/3")
        assert (status, "summary" in out, err.count("\n")) == (0, False, 1)
        assert f"Slice {index} of 3 is done; " in err
        assert "missing in shared. The last process shows the results" in err
    assert f"; {MISSING[benchmark]} missing in shared. " in err
    status, out, err = command(merge, "shared")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"merge: {MISSING[benchmark]} missing in shared; ")
    assert "the commands in its config.json go on from there" in err
    status, shown, err = command(module, *arguments, "--shard=1/3")
    assert (status, err) == (0, "")
    assert (shared / "rows.jsonl").read_bytes() == (whole / "rows.jsonl").read_bytes()
    for name in ("rows.jsonl", "summary.csv", "timings.jsonl"):
        (shared / name).unlink()
    status, out, err = command(merge, "shared", "--tables=all")
    assert (status, err) == (0, "") and shown.splitlines()[-3] in out
    assert ("--tables=all" in shown, "--tables=all" in out) == (True, False)
    for name in ("rows.jsonl", "summary.csv"):
        assert (shared / name).read_bytes() == (whole / name).read_bytes()
    assert len(list((shared / "processes").iterdir())) == 3
    assert "Nothing to do" in command(module, *arguments)[2]


# Of the runs of `tiny` without slice 1 of 3: of the shapes one seed each is missing.
MISSING = {
    "memory_stability": "2 of 2 architectures",
    "capacity": "1 of 2 searches",
    "autocomplete": "1 of 1 shape",
    "short_term_memory": "1 of 2 shapes",
    "optimization": "2 of 2 methods",
}


def test_a_merge_counts_what_is_missing_of_a_run_in_float64(command, tmp_path):
    arguments = tiny.arguments("memory_stability", "run", FLOAT64)
    assert command(memory_stability, *arguments, "--shard=1/2")[0] == 0
    status, out, err = command(merge, "run")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("merge: 1 of 1 architecture missing in run; ")


FLOAT64 = {
    "memory_stability": "--cell=gru --input_sizes=1,2 --budget=40 --seeds=1 "
    "--steps=1300 --unique_steps=300 --dtype=float64"
}


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_processes_that_jax_tells_apart(command, tmp_path, count):
    """One of them is killed and the others end by themselves; the job, started again
    as one of Slurm, completes the run.
    """
    run = tiny.SMALLEST["memory_stability"].split()
    assert command(memory_stability, *run, "--out_dir=whole")[0] == 0
    arguments = [*run, f"--out_dir={tmp_path}/shared"]
    coordinator = f"--coordinator=localhost:{free_port()}"
    flags = [*arguments, coordinator, f"--num_processes={count}"]
    started = [start([*flags, f"--process_id={k}"], {}) for k in range(count)]
    wait_for(tmp_path / f"shared/processes/1-of-{count}.json")
    started[0].send_signal(signal.SIGKILL)
    assert ends(started) == [-signal.SIGKILL] + [0] * (count - 1)
    job = {
        "SLURM_JOB_ID": str(free_port()),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": str(count),
    }
    tasks = [
        job | {"SLURM_PROCID": str(k), "SLURM_LOCALID": str(k)} for k in range(count)
    ]
    started = [start([*arguments, "--coordinator=auto"], task) for task in tasks]
    assert ends(started) == [0] * count
    whole = (tmp_path / "whole/rows.jsonl").read_bytes()
    assert (tmp_path / "shared/rows.jsonl").read_bytes() == whole


def ends(started):
    """The exit statuses of processes that end by themselves."""
    printed = [process.communicate(timeout=120) for process in started]
    print(printed)
    return [process.returncode for process in started]


def free_port():
    """A port of the range from which JAX takes one by a Slurm job's number."""
    for port in range(61440, 65536):
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("localhost", port))
            return port
    raise AssertionError("no port is free")


def wait_for(path):
    end = time.monotonic() + 100
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.05)


MEET = ["--coordinator=localhost:9", "--num_processes=2", "--process_id=1"]
WRONG = {
    "a slice beyond the last": (
        ["--shard=3/2"],
        "--shard=3/2: no such slice; allowed: i/n, such as 1/4 to 4/4",
    ),
    "a slice 0": (["--shard=0/2"], "--shard=0/2: no such slice"),
    "no slice": (["--shard=half"], "--shard=half: no such slice"),
    "an id beyond the last": (
        ["--coordinator=localhost:9", "--num_processes=2", "--process_id=2"],
        "--process_id=2: '2' is no such number; allowed: whole numbers from 0 to 1",
    ),
    "an id below 0": (
        ["--coordinator=localhost:9", "--num_processes=2", "--process_id=-1"],
        "--process_id=-1: '-1' is no such",
    ),
    "no processes": (
        ["--coordinator=localhost:9", "--num_processes=0", "--process_id=0"],
        "--num_processes=0: '0' is no such number; allowed: whole numbers from 1 to ",
    ),
    "an id alone": (
        ["--process_id=1"],
        "--process_id=1: given without --coordinator; allowed: with it, or --shard=i/n "
        "instead",
    ),
    "no port": (
        ["--coordinator=localhost"],
        "--coordinator=localhost: no such address; allowed: host:port, or auto",
    ),
    "no number": (
        ["--coordinator=localhost:9"],
        "--coordinator=localhost:9: needs --num_processes beside it; allowed: ",
    ),
    "both": (
        [*MEET, "--shard=1/2"],
        "--shard=1/2: given with --coordinator=localhost:9; allowed: one of the two",
    ),
    "discarding": (
        ["--shard=1/2", "--overwrite"],
        "--overwrite=True: each process would discard what the others do; allowed:",
    ),
    "no cluster": (
        ["--coordinator=auto"],
        "--coordinator=auto: JAX finds no cluster here; allowed: host:port of process "
        "0; a job",
    ),
    "nobody there": (
        MEET,
        "--coordinator=localhost:9: not all processes met there within 1 s; allowed: "
        "an address that",
    ),
    "nobody comes": (
        ["--coordinator=localhost:45971", "--num_processes=2", "--process_id=0"],
        "--coordinator=localhost:45971: not all processes met there within 1 s",
    ),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_is_one_clear_line(
    command, tmp_path, monkeypatch, arguments, message
):
    # The others wait for no one, however long JAX takes to start.
    if "within 1 s" in message:
        monkeypatch.setattr(processes, "WAIT_SECONDS", 1)
    run = tiny.RUNS["memory_stability"].split()
    status, out, err = command(memory_stability, *run, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema": 9, "benchmark": "capacity"}']
)
def test_only_run_folders_are_merged(command, tmp_path, text):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text(text)
    for words in (["other"], ["none"], [""], ["foo://other"], [], ["other", "another"]):
        status, out, err = command(merge, *words)
        assert (status, out, err.count("\n")) == (2, "", 1), words
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["config.json"]
